"""The page of a backtest, written from its result: `python -m strategic_minerals.backtesting.page OUT PAGE`.

OUT is the folder that the backtest was kept in; what stands between the marks of PAGE is written anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..core.atomic_files import write_whole
from .page_forecasts import apart_part, calibration_part, estimates_part, placebos_part, planned_part
from .page_money import (
    agreement_part,
    books_part,
    coverage_part,
    head_part,
    net_part,
    purchases_part,
    ranks_part,
    readings_part,
)
from .result import Backtest

BEGIN, END = "<!-- backtest: written from the code -->", "<!-- backtest: end -->"


SECTIONS = (
    head_part,
    ranks_part,
    coverage_part,
    purchases_part,
    net_part,
    agreement_part,
    readings_part,
    books_part,
    calibration_part,
    placebos_part,
    apart_part,
    planned_part,
    estimates_part,
)


def page(found: Backtest) -> str:
    """What stands between the marks."""
    parts = [part for write in SECTIONS for part in write(found)]
    return "\n\n".join(part for part in parts if part)


def written(file: Path, content: str) -> str:
    """The text of a page with what stands between its marks written anew. ValueError where the marks are not there once each."""
    before = file.read_text(encoding="utf-8")
    if before.count(BEGIN) != 1 or before.count(END) != 1:
        raise ValueError(f"{file.name} needs the marks {BEGIN} and {END} once each")
    head, _, rest = before.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{content}\n\n{END}{rest.partition(END)[2]}"


def main(arguments: Sequence[str]) -> int:
    """Write a page from the folder of a backtest."""
    out, file = (Path(argument) for argument in arguments)
    write_whole(file, [written(file, page(Backtest.load(out)))])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
