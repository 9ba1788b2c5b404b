"""MCP server: the six planning tools, executions, resources and prompts, for coding agents that speak MCP."""
