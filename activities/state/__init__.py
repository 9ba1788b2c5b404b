"""State directory: one store per execution, records of workers, progress."""
