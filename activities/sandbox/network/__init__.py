"""Network of a sandbox: a namespace of its own and a proxy that lets through what the plan allows."""
