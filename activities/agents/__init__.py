"""Agent backends: one Protocol, one record a backend in `registry.py`."""
