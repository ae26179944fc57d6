"""Backtests: a plan made with what was known on a day, and what history then made of it."""
