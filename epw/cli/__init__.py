"""Command line: one file a command; errors and exit codes in one place."""
