"""Executions as a client sees them: plan files, start, documents, updates; shared by the commands and by MCP."""
