"""MCP servers of the gateway."""
