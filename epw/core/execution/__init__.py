"""State of one execution: tasks, attempts, strategies, outcomes, compensations, budgets."""
