"""The answer as a page that planners would rather look at than read."""
