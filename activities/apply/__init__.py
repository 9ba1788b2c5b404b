"""Delivery into the user's own tree: checked, journaled, atomic a path, and undone to the byte."""
