"""Run coding agents in parallel, durably: the installed package."""
