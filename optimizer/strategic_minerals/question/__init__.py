"""What is asked: plans, tables, how they are read, and what is doubted in them.

A fault refuses the question. A note points to a figure that is possible and probably not meant; published facts are doubted last.
"""
