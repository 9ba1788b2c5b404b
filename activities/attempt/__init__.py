"""One attempt of a task: its directory, its containment, what it leaves."""
