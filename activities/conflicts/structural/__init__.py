"""Merges by structure where lines conflict: each file type proves that its result holds both sides."""
