"""HTML reports of runs, comparisons and sweeps, with their figures."""
