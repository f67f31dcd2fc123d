"""Tollbridge: the gateway between a phone and coding agents, with a toll booth on it."""
