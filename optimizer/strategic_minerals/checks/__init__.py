"""Checks of a question before the model is built: references across tables, units, sizes, entries without effect.

A fault refuses the question. A note points to a figure that is possible and probably not meant; published facts are doubted last.
"""
