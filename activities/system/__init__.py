"""Operating system: processes by identity, files beneath a root, threads, fault injection."""
