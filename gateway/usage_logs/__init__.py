"""Readers of the logs that agents leave on disk, one for each kind of agent. They do not meet."""
