"""Processes of agents: the one place that starts and ends them. Limits and sandboxes belong here."""
