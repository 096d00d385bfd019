"""What a running service stores, and what can be learned from it: events, experiments, off-policy estimates."""
