"""What callers ask first: solve, check, build the model, verify a stored run."""
