"""Renames: definitions that one side gave another name, and the uses of the other side that follow."""
