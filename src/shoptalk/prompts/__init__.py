"""Prompts: templates as strict data, one builder for training and serving, token ids."""
