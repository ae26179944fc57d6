"""Questions on top of a plan."""
