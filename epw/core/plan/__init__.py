"""The plan: its model, its validation, its graph."""
