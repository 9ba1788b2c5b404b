"""Pure rules of an execution: no Temporal, no I/O, no clock."""
