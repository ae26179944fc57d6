"""The only place that writes Pyomo: sets, variables, constraint families and costs of the model."""
