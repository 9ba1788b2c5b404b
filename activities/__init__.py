"""The six activities of an execution; the folders beside them hold their parts."""
