"""The second evaluator: every constraint, sum of money and statement worked out again, sharing no formula with the model."""
