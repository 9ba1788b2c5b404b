"""Command line: a file for each command, one for all updates; errors and exit codes in one place."""
