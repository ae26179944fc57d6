"""Solving: HiGHS, stages, infeasibility, decomposition."""
