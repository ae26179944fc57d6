"""The shipped tables, read once for all tests of a process."""

from functools import cache

from strategic_minerals import Dataset, load_dataset, shipped


@cache
def shipped_tables(home: str = "USA") -> Dataset:
    return load_dataset(shipped("inputs"), home)
