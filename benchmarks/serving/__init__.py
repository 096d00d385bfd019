"""Parts that the benchmarks of the service share: a small run, a service in processes of its own, and its clients."""
