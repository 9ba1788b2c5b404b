"""State directory: stores of executions, records of workers, progress."""
