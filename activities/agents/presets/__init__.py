"""Agents that are coding programs of the user, each described by a preset (`epw/core/presets/`)."""
