"""Order of tasks: list scheduling, file leases, batches, analysis of a plan."""
