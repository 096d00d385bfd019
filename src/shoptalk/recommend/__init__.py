"""Recommending with a language model: scoring options, naming titles, ranking, explaining."""
