"""Pages generated from the code, so that both agree: dictionary of the tables, public names.

`python -m strategic_minerals.report.reference_pages` writes them into a checkout; a test compares them with the code.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.shipped import PACKAGE, shipped
from ..schemas.columns import meaning
from ..schemas.tables import FACT_TABLES, TABLES


def inputs_page() -> str:
    """The dictionary of the tables: every column with unit and meaning, written from the row schemas."""
    parts = [INPUTS_HEAD]
    for name, row_model in TABLES.items():
        role = "facts, used by estimates and checks" if name in FACT_TABLES else "used by plans"
        doc = (inspect.getdoc(row_model) or "").splitlines()[0]
        parts.append(
            f"## {name}.csv\n\n{doc} Key: {', '.join(f'`{k}`' for k in row_model.key)}. ({role})\n\n| column | meaning |\n|---|---|"
        )
        for column, field in row_model.model_fields.items():
            if column in ("source", "year", "confidence", "note") or column.endswith(("_low", "_high")):
                continue
            ranged = " (with `_low` and `_high`)" if f"{column}_low" in row_model.model_fields else ""
            needed = "" if field.is_required() else " Optional."
            text = " ".join((meaning(row_model, column) or column.replace("_", " ")).split())
            parts[-1] += f"\n| `{column}`{ranged} | {text}{'' if text.endswith('.') else '.'}{needed} |".replace(
                "..", "."
            )
    return "\n\n".join(parts) + "\n"


INPUTS_HEAD = """# The tables

*Written from the row schemas by `python -m strategic_minerals.report.reference_pages`; do not edit.*

One CSV file per table, in UTF-8. Every row has `source`, `year` (to which the figure refers), `confidence` (`reported`:
published by the source; `derived`: computed from reported figures, with the calculation in the note; `estimate`: assumed) and
`note`. An estimate has columns `_low` and `_high` and comes from a documented function of `strategic_minerals.data.estimates`,
named in the note, or of `demand_estimates`; a test recomputes each one. An empty cell means not published. `NA` is text
(Namibia), never a missing value.

Tonnes are tonnes of contained material in the form stated in `materials.basis`; prices are in USD/kg of the same form. Rows of
`prices`, `activities`, `projects`, `packages`, `substitution` and `loss_functions` state the price level (year) of their money;
a plan converts them to its own `price_year` with the consumer price index in `deflators`. Price set `mcs2024` contains the
averages of 2024, the last full year that USGS reports; `mcs2025e` its estimates for 2025; `quotes2026` newer quotes if
available.

The files of this folder hold what is the same for all homes. What belongs to one is in `homes/<HOME>/`, with the same columns
and keys, and is laid over it: a row with a new key is added, and of a row with a known key the filled cells win, provenance
included. A plan's `home` chooses the folder (`USA` if it names none); a home without a folder is refused. A home has the
sources of which its `capacities` say how much it can buy, and the projects that its `projects` name; the others are none of its
own. A union is a home of members (`homes`): for `EUU` a plant in France is at home. A folder of tables without `homes/`, as
`init` writes it, holds those of one home alone, whose countries have the tier `home`. Homes together may not count on more of a
plant than it makes (`activities.output_t_per_yr`; a test holds the shipped ones to it).

An estimate's note states how it is made of other figures, such as `lot_t_per_yr =
offtake_lot(minerals[gallium].consumption_t)`. `check` says which estimates no longer follow from their facts,
and `explain RUN "offers[gallium_1].depth_t_per_yr"` prints what a figure hangs on. Names in one cell are
separated by spaces or commas. A name that no table defines is a fault, with a suggestion of what may have been meant. Figures
are compared with each other (prices with other sets and `minerals`, capacity and demand with world output in `production` and
use in `minerals`, costs with the value of output, an estimate with the calculation in its note): `check` doubts the figure that
contradicts most of the others.

Maintainers bring them up to date with `python inputs/build/refresh.py` from files that a person has downloaded.

The tables cover the rare-earth supply chain from concentrate or mixed carbonate through separated oxides and metal to NdFeB and
SmCo magnets, joint products from one ore body, and more than thirty other minerals at the stage that is the bottleneck. Not
published are demand by individual rare earth, defence shares of most minerals, operating costs of Lynas and of magnet makers,
and holdings of the US stockpile by material; these are marked as estimates or left out."""


def api_table() -> str:
    """The public names of the package, each with the first sentence of its docstring."""
    package = import_module(PACKAGE.name)
    rows = [f"| `{name}` | {_first_sentence(getattr(package, name))} |" for name in package.__all__]
    return "\n".join(["| name | what it is |", "|---|---|", *rows])


def _first_sentence(named: Any) -> str:
    """First sentence of a docstring on one line; a vertical bar would end the cell."""
    paragraph = " ".join((inspect.getdoc(named) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0].replace("|", "\\|")


def marks(name: str) -> tuple[str, str]:
    """Marks before and after the generated part of a page."""
    return f"<!-- {name}: written from the code -->", f"<!-- {name}: end -->"


def filled(page: str, name: str, content: str) -> str:
    """A page with new content between the marks of a name. Raises ValueError unless it has each of them once."""
    begin, end = marks(name)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"expected {begin} and {end} once each")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def package_page() -> str:
    """The package's README with the generated table of public names."""
    return filled((PACKAGE / "README.md").read_text(encoding="utf-8"), "api", api_table())


def write_pages() -> list[Path]:
    """Write the generated pages into the checkout's folders."""
    path = shipped("inputs") / "README.md"
    path.write_text(inputs_page(), encoding="utf-8")
    written = [path]
    path = PACKAGE / "README.md"
    path.write_text(package_page(), encoding="utf-8")
    return [*written, path]


if __name__ == "__main__":
    write_pages()
