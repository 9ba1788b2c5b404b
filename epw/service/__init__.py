"""Services of the application: connection to Temporal, embedded server, worker, supervisors, plugin."""
