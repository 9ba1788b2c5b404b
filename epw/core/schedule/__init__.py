"""Order of tasks: list scheduling, file leases, batches, predicted schedules, time left."""
