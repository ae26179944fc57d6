"""What comes back: results, tables, run folders, verification."""
