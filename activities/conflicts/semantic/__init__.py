"""Conflicts of changes that merge line by line and do not fit together: definitions, references, imports."""
