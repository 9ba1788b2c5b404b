"""Agent backends: one Protocol, its record is in `epw.core.backends`, how it is made in `registry.py`."""
