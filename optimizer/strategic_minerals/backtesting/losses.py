"""Named loss functions that may score and never plan: a copy beside the files of the backtest, else the tables of the package.

A function has a value for a material only where it has one of its own: a row that says that it stands in for another is a gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..core.errors import Fault, InputError
from ..core.shipped import shipped
from ..data.csv_files import load_dataset
from ..data.dataset import Dataset
from ..schemas.base import Iso3
from .realised import Ends

ENDING = "loss_functions.csv"
STANDS_IN = "no figure under this function"
"""What the note of a row says that stands in for another function's."""
MARKET_COST = "market_cost"
"""The function that needs no damage model: the price of the quarter less the price at the freeze."""


@dataclass(frozen=True)
class LossFunctions:
    """Values [USD/t], in money of the first year of purchases."""

    names: tuple[str, ...]
    values: Mapping[tuple[str, str], Ends]
    """(function, material) -> low, central, high."""
    source: str


def loss_functions(folder: Path, home: Iso3, money_year: int) -> LossFunctions:
    """The functions of the folder's own copy, else those shipped for the home country; none where there are none for it."""
    copies = sorted(file for file in folder.glob(f"*{ENDING}"))
    if copies:
        frame = pd.read_csv(copies[0], keep_default_na=False)
        own = frame.astype(object).where(frame != "", None)
        data: Dataset | None = Dataset.from_tables({"loss_functions": own}, name=copies[0].name)
        source, deflators = copies[0].name, shipped_tables(home)
    else:
        data = deflators = shipped_tables(home)
        source = "tables of the package"
    index = {} if deflators is None else {row.money_year: row.price_index for row in deflators.rows("deflators")}
    values: dict[tuple[str, str], Ends] = {}
    names: dict[str, None] = {}
    for row in () if data is None else data.rows("loss_functions"):
        names[row.loss_function] = None
        if row.segment != "*" or STANDS_IN in row.note:
            continue
        then, now = index.get(row.money_year or money_year), index.get(money_year)
        factor = now / then if then and now else 1.0
        low = row.loss_usd_per_t if row.loss_usd_per_t_low is None else row.loss_usd_per_t_low
        high = row.loss_usd_per_t if row.loss_usd_per_t_high is None else row.loss_usd_per_t_high
        values[row.loss_function, row.material] = (low * factor, row.loss_usd_per_t * factor, high * factor)
    return LossFunctions(tuple(names), values, source)


def shipped_tables(home: Iso3) -> Dataset | None:
    """The package's tables for a home country; None where it has none for it."""
    try:
        return load_dataset(shipped("inputs"), home)
    except InputError as error:
        if any(isinstance(fault, Fault) and fault.column == "home" for fault in error.faults):
            return None
        raise
