"""A finished plan, or a question, against other scenarios: outlook, recourse, stress tests, value of planning, sampling gap."""
