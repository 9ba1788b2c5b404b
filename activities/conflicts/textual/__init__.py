"""Conflicts of lines, modes and names: resolved by a preferred side, losses named."""
