"""Presets: coding programs that a user has already, each a record in a file of its own."""
