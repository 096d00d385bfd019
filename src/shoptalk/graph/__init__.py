"""Purchases as sparse matrices, and the graph of transitions between items."""
