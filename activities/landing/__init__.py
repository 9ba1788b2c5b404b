"""Landing of changes in the hub: merges of one change, and of several that are tried together."""
