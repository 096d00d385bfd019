"""From raw files to a dataset folder: sources -> clean -> filter -> split -> candidates."""
