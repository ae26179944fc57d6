"""The model as matrices: compiled once, stamped for every period and scenario."""
