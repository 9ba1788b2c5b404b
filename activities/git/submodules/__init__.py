"""Submodules: their files in the hub, their pointers on the way out."""
