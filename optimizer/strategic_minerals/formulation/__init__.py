"""The mathematics and nothing else: index sets, parameter values, Pyomo blocks, the declared catalogue."""
