"""The workflow: everything that knows Temporal. The rules it applies are in `epw.core`."""
