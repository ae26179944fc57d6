"""Declarations only: the plan file, rows of tables, what columns mean. No reading, no check across tables."""
