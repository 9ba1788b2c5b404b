"""Agents: one Protocol; a backend is one file and one line in `backends.py`."""
