"""The second evaluator: every constraint, sum of money and statement worked out again, sharing no formula with the model.

It takes as given the aligned data and what events make of it in each scenario, and imports neither the mathematics nor a solver. A
violation that counts ends the solve as not trusted. A new family of rules is one function, in the list at the end of its module."""
