"""The stages of an experiment, each with what it reads and what it leaves behind."""
