"""Claude Code as an agent, through claude-agent-sdk."""
