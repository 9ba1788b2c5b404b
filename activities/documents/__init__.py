"""Parts of the result document that this machine holds: changes, hunks, kept files, what models cost."""
