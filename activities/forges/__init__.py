"""Forges of pull requests: what is pushed to, and how a pull request is opened there."""
