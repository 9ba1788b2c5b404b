"""What an execution does: the activities, and everything that touches files, git and processes."""
