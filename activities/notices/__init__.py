"""Channels of notices: a command, a webhook, the desktop."""
