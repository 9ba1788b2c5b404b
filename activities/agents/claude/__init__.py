"""The `claude` backend: the Messages API, a loop over the whole conversation, state on our side."""
