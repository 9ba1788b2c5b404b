"""Which task starts next: list scheduling, leases on files, batches, analysis of a plan."""
