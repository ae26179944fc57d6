"""What an answer says: result, tables, shadow prices, summary, run folder, exports."""
