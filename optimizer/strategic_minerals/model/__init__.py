"""The optimisation model."""
