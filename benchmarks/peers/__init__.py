"""Other engines on the same graphs, a script each: `python -m benchmarks.peers`."""
