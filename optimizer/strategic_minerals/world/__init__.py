"""The question as arrays: instance, scenarios, what support costs."""
