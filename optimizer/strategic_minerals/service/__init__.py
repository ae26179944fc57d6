"""The planner as a service."""
