"""Result document of an execution: its model, its short form, its metrics, its display."""
