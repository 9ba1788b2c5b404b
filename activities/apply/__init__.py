"""Delivery into the user's work tree: checked, journaled, atomic per path, undone byte for byte."""
