"""A second evaluator that shares no formula with the model."""
