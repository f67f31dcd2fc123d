"""What was spent, on what: the account of sessions and turns, as JSON for programs and as tables for people."""
