"""Network of a sandbox: a namespace of its own, with a proxy that connects to what the plan allows."""
