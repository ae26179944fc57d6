"""Evaluate a plan or a question in other scenarios: outlook, recourse, stress tests, value of planning, sampling gap."""
