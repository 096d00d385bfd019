"""Training: examples as token ids, batches, losses, the training loop, checkpoints and trackers."""
