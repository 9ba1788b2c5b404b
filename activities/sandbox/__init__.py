"""Sandbox levels: bubblewrap, Landlock, seccomp, network."""
