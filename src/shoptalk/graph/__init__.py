"""Who bought what after what: purchases as sparse matrices, and the graph of transitions between items."""
