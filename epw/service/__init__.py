"""Where the application runs: the connection to Temporal, the embedded server, the worker and their supervisors."""
