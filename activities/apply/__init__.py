"""Delivery into the user's work tree: checked first, journaled, atomic per path, undone byte for byte."""
