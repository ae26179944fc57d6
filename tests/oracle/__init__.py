"""The model written a second time, for tests to compare with."""
