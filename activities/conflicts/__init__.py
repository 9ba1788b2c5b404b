"""Conflicts between changes: textual, semantic, structural, predicted."""
