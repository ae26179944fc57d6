"""Many re-solves around a plan: sweeps, designs, frontier, alternatives, explanation, diagnosis, completeness."""
