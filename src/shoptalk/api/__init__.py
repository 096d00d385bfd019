"""The Python API: tables in, tables out; folders and recipes where they are wanted. Use it as ``import shoptalk``."""
