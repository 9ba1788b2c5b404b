"""Conflicts of lines, modes and names: their resolution, and what it loses."""
