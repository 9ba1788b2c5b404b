"""Processes of agents: the one place that starts, limits and ends them."""
