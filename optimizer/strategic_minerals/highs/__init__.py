"""The only room that names the solver: its runtime and self-test, models in its units, bases kept and carried over."""
