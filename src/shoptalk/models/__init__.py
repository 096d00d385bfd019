"""Base models, tokenizers, adapters and number formats."""
