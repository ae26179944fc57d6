"""Declarations only: plan files, rows of tables, meaning of columns. No reading of files, no checks across tables."""
