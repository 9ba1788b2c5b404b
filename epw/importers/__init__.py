"""Importers: foreign files of tasks become plan documents; no I/O, no Temporal."""
