"""Live view of an execution in a terminal: what it shows is pure, and drawn and driven by a thin loop."""
