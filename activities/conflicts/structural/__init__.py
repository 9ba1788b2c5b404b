"""Merges by the structure of a file where its lines conflict; each file type proves that both sides are kept."""
