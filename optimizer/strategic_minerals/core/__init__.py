"""No domain at all: arrays, units, errors and faults, how a solve ended, typed frames, timings, files, executors."""
