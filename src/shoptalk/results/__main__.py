"""``python -m shoptalk.results > docs/reference/files.md`` writes the page that documents the results."""

import sys

from shoptalk.results.page import schema_page

if __name__ == "__main__":
    sys.stdout.write(schema_page())
