"""The commands of `starter.py`: one file a group, errors and exit codes in one place."""
