"""The `claude-code` backend: Claude Code through claude-agent-sdk."""
