"""Base models, tokenizers, adapters and number formats."""

import logging

# bitsandbytes asks on every start for a package that would fetch code from a hub; nothing here needs it.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
