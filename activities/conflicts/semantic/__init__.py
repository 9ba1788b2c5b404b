"""Changes that merge line by line and break together: definitions, references, imports."""
