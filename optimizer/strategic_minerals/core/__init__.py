"""General tools without domain knowledge: arrays, units, errors, outcomes, typed frames, timings, files, executors."""
