"""Coding agents that the gateway starts; each adapter speaks one agent's language and keeps the Agent port's promises."""
