"""Plan, live, plan again: the state that a year leaves, next year's question, and whole paths of years. Section 15."""
