"""Input of planners: readers and writers of plans, CSV tables and workbooks, with the place of every cell; edits by address;
estimates and calibration."""
