"""Training: examples, packing, the loop, checkpoints that survive anything."""
