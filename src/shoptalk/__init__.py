"""shoptalk turns purchase histories into text and fine-tunes language models that recommend."""

__version__ = "0.1.0"
