"""``python -m shoptalk``: the command line."""

from shoptalk.cli.main import main

if __name__ == "__main__":
    main()
