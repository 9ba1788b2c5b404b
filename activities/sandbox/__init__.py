"""Sandboxes of agents: their levels, by bubblewrap, Landlock, seccomp and network namespaces."""
