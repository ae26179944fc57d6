"""Checks of a question before the model is built: references across tables, units, sizes, entries without effect."""
