"""Build of the wheel; not part of it."""
