"""The decomposition."""
