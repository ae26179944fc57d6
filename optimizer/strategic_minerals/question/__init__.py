"""What is asked: plans, tables, how they are read, and what is doubted in them."""
