"""The bank's schema, step by step."""
