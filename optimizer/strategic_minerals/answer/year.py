"""A year of a plan: what was to be done and what might happen, and the two files in which a planner notes how it went."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..core.errors import Fault, InputError, MisplacedError, expected, near_miss, shown
from ..core.files import read_bounded, text_of
from ..core.formats import in_tonnes
from ..core.frames import rows_of
from ..core.stats import SMALL_T
from ..matrix.problem import FIRST_YEARS
from ..question import base
from ..question.base import Key, NonNegative, Positive, Share, Year
from ..question.dataset import Dataset
from ..question.names import Names
from ..question.plan import Plan
from ..question.project_tables import Date
from ..question.read_csv import csv_text
from ..question.references import select_materials
from ..world.events import sampled
from .notes import floor_in_words
from .record import Record

# What a plan does, act by act, in words and as rows.
SIGNED = 0.005
"""Share of a project from which it is shown."""
VERBS = {
    "bought": "buy",
    "package": "support",
    "contract": "sign offtake contract",
    "market_floor": "guarantee price floor",
}
"""Kind of an act -> what a planner does."""
OF_ACTS = ["kind", "item", "detail", "fiscal_year", "amount", "unit", "about", "terms"]


def acts_of(result: Record, names: Names | None = None) -> pd.DataFrame:
    """What a plan does while nothing happens, a row an act: kind, item and detail as `ActRow` has them, fiscal_year, amount, unit,
    about (material or producer, by its name) and terms (in words). What owners build without support is no act. names: other than
    those of the result's tables."""
    names, rows = names or Names.of(result.data), list[tuple[Any, ...]]()
    by = ["offer", "material", "fiscal_year"]
    for row in rows_of(result.tables["acquisitions"].groupby(by, sort=False)["acquired_t"].sum().reset_index()):
        if row.acquired_t > SMALL_T:
            of = names.material(row.material), ""
            rows.append(("bought", row.offer, "", row.fiscal_year, row.acquired_t, "t", *of))
    for row in rows_of(result.tables["projects"]):
        if row.share > SIGNED and not (row.baseline and row.package == "none"):
            of = names.producer(row.project), package_in_words(row, names)
            rows.append(("package", row.project, row.package, fiscal_year_of(row.signed), row.share, "share", *of))
    for row in rows_of(result.tables["contracts"]):
        of = names.producer(row.activity), f"for {row.term_yr:g} years"
        rows.append(("contract", row.activity, "", fiscal_year_of(row.start), row.contract_t_per_yr, "t a year", *of))
    for row in rows_of(result.tables["floors"]):
        if row.scope == "market":  # a project's own is part of its package
            who, material = floor_in_words(row, names)
            of = f"{material}, {who}", f"{row.level_usd_per_kg:g} USD/kg for {row.term_yr:g} years"
            rows.append(("market_floor", row.floor, "", fiscal_year_of(row.start), 1.0, "1 or 0", *of))
    return pd.DataFrame(rows, columns=OF_ACTS)


def fiscal_year_of(label: Any) -> int:
    """Of a period's name, such as 2027 or 2027.2."""
    return int(str(label).partition(".")[0])


UNPAID, FLOOR_ALONE = "no money needed", "a market floor alone"


def package_in_words(row: Any, names: Names) -> str:
    """How a row of the table `projects` is supported: `loan, right to 50% of output in a crisis, floor 40 USD/kg for magnets`."""
    lines = [str(row.instrument).replace("_", " ")] if row.instrument != "none" else []
    if row.offtake_share > 0:
        part = "all" if row.offtake_share >= 1 else f"{row.offtake_share:.0%} of"
        lines.append(f"right to {part} output in a crisis")
    if row.floor_material and row.floor_usd_per_kg == row.floor_usd_per_kg:
        lines.append(f"floor {row.floor_usd_per_kg:g} USD/kg for {names.material(str(row.floor_material))}")
    return ", ".join(lines) or (FLOOR_ALONE if row.market_floors else UNPAID)


def decisions(acts: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(what is done, about what) -> how much in which years, in words; of rows of `acts_of`. Purchases of a material through
    several offers are one."""
    found: dict[tuple[str, str], str] = {}
    by = ["kind", "about", "terms", "fiscal_year"]
    for row in rows_of(acts.groupby(by, sort=False)["amount"].sum().reset_index()):
        part = "" if row.kind == "market_floor" or row.amount > 1 - SIGNED else f" ({row.amount:.0%} of it)"
        tonnes = in_tonnes(row.amount) + (" a year from" if row.kind == "contract" else " in")
        text = f"{tonnes} FY{row.fiscal_year}" if row.kind in ("bought", "contract") else f"FY{row.fiscal_year}{part}"
        key, text = (VERBS[row.kind], row.about), ", ".join(filter(None, (text, row.terms)))
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


# Two files of a run folder, which a planner fills in when the year is over.
NOTED = ACTS, NEWS = "acts.csv", "news.csv"

LARGEST_BYTES = 5_000_000


class Noted(BaseModel):
    """Base of a row that a planner hands in beside the tables."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class ActRow(Noted):
    """Something not done as planned; whatever is not listed, or has an empty `done`, was done as planned."""

    what: str = ""
    """For the reader: what it is about, by its name."""
    fiscal_year: Year | None = None
    """Year in which it was done; empty: all years that have passed."""
    kind: Literal["bought", "package", "contract", "market_floor", "stock", "spent"]
    """`bought`: tonnes ordered through an offer. `package`: share of a project that was supported (0: not signed). `contract`:
    tonnes a year under an offtake contract. `market_floor`: 1 or 0. `stock`: tonnes in store at the end, as counted.
    `spent`: a year's total cost, million USD; the carry-over is worked out from it."""
    item: Key | None = None
    """Offer, project, source, floor or material; empty for money."""
    detail: str = ""
    """Of a package its name."""
    planned: float | None = None
    """For the reader: what the plan has."""
    done: NonNegative | None = None
    unit: str = ""
    """For the reader: t, share, t a year, million USD."""


class NewsRow(Noted):
    """Something that happened since the last plan; a row without status or figure says that nothing did."""

    what: str = ""
    """For the reader: what it is about, by its name."""
    kind: Literal["event", "delivered", "price", "demand", "capacity"] = "event"
    """`event`: it began, was announced, or was lifted. `delivered`: tonnes of the year's purchases that arrived.
    `price` of a material, `demand` of a segment and `capacity` of a source: what holds from the next plan's first year on."""
    item: Key
    """Name of an event; an offer, a material or a source."""
    detail: str = ""
    """Of a demand its segment."""
    expected: float | None = None
    """For the reader: what the plan reckons with."""
    happened: NonNegative | None = None
    """Figure, in the unit of the row; not of events."""
    unit: str = ""
    """For the reader."""
    source: str = ""
    """Where the figure is from. Of an event that did not come: what was read; without it the year is no evidence."""
    status: Literal["in force", "announced", "suspended", "ended"] | None = None
    """`in force`: it has begun and nobody knows when it ends. `announced`: it is to begin at `from_year`, with `probability`.
    `suspended`: not in force; with `from_year` and `probability` it may come back. `ended`: over."""
    hazard: Key | None = None
    """The hazard of which it is an event; it counts as evidence when it is in force."""
    from_year: Date | None = None
    probability: Share | None = None
    countries: base.Names | None = None
    materials: base.Names | None = None
    cut_share: Share | None = None
    price_multiplier: Positive | None = None
    severity: NonNegative | None = None
    stretch: Positive | None = None
    duration_years: Positive | None = None
    """Of what was announced or may come back; unset: the hazard's."""
    remaining_years: Positive | None = None
    """If in force: expected years left; unset: worked out from the hazard and its age."""
    counted: bool = True
    """False: not evidence on its hazard, e.g. if another event caused it."""

    @model_validator(mode="after")
    def _complete(self) -> NewsRow:
        if self.status is not None and self.kind != "event":
            raise MisplacedError(("status", self.status, f"none: a {self.kind} has a figure under `happened`"))
        if self.kind == "event" and self.happened is not None:
            raise MisplacedError(("happened", f"{self.happened:g}", "nothing: an event has a status"))
        if self.status in ("in force", "announced") and self.from_year is None:
            raise MisplacedError(("from_year", "nothing", "the date when it begins or began"))
        if self.status == "announced" and self.probability is None:
            raise MisplacedError(("probability", "nothing", "how likely it is to come into force, 0 to 1"))
        if self.hazard is None and (self.status == "in force" or self.probability):
            needed = ["countries", "materials", "cut_share"]
            needed += ["remaining_years" if self.status == "in force" else "duration_years"]
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                wanted = f"a hazard of hazards.csv; an event without one needs {', '.join(missing)}"
                raise MisplacedError(("hazard", "nothing", wanted))
        if self.status == "suspended" and self.probability and self.from_year is None:
            raise MisplacedError(("from_year", "nothing", "the date from which it may come back"))
        return self


Kind = TypeVar("Kind", bound=Noted)


def read_noted(path: str | Path, kind: type[Kind]) -> tuple[Kind, ...]:
    """Rows of a CSV file.

    path: the file. kind: what its rows are, `ActRow` or `NewsRow`. Raises InputError with every fault."""
    path = Path(path)
    content = read_bounded(path, LARGEST_BYTES, "a CSV table")
    text = content if isinstance(content, Fault) else text_of(content, path.name, "a CSV table in UTF-8")
    if isinstance(text, Fault):
        raise InputError([text])
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        place = Fault(path.name, str(reader.line_num), "", str(error), "a CSV table, separated by commas")
        raise InputError([place]) from None
    header = [cell.strip() for cell in lines[0]] if lines else []
    records = [(n, dict(zip(header, row, strict=False))) for n, row in enumerate(lines[1:], start=2) if any(row)]
    return validated(records, header, kind, path.name)


def validated(
    records: Iterable[tuple[int, Mapping[str, str]]], header: list[str], kind: type[Kind], file: str
) -> tuple[Kind, ...]:
    """Rows from records by line. Raises InputError with every fault."""
    faults, rows = list[Fault](), []
    fields = kind.model_fields
    commas = ", separated by commas" * (not {*header} & {*fields})
    for column in (column for column in header if column not in fields):
        faults.append(Fault(file, "1", column, shown(column), f"a known column{near_miss(column, fields)}{commas}"))
    for column in (name for name, field in fields.items() if field.is_required() and name not in header):
        faults.append(Fault(file, "1", column, "no such column", "a required column"))
    if faults:
        raise InputError(faults)
    for line, record in records:
        cells = {name: cell.strip() for name, cell in record.items() if cell is not None and cell.strip()}
        try:
            rows.append(kind.model_validate(cells))
        except ValidationError as error:
            faults += _of_row(error, record, file, line)
    if faults:
        raise InputError(faults)
    return tuple(rows)


def _of_row(error: ValidationError, record: Mapping[str, Any], file: str, line: int) -> Iterator[Fault]:
    for item in error.errors(include_url=False):
        misplaced = item.get("ctx", {}).get("error")
        if isinstance(misplaced, MisplacedError):
            yield from (Fault(file, str(line), *place) for place in misplaced.places)
            continue
        column = str(item["loc"][0])
        found = "an empty cell" if item["type"] == "missing" else shown(record.get(column, ""))
        yield Fault(file, str(line), column, found, expected(item))


def noted_texts(result: Record) -> Iterator[tuple[str, Iterable[str]]]:
    """(file, pieces of its text) of what was to be done in the first years, and of what may have happened in the first: everything
    by its name, with what the plan has, and room for what was."""
    yield ACTS, [_text(ActRow, _acts_due(result))]
    yield NEWS, [_text(NewsRow, _possible_news(result))]


def _text(kind: type[Noted], rows: Iterable[Mapping[str, Any]]) -> str:
    columns = list(kind.model_fields)
    return csv_text(
        pd.DataFrame([[row.get(name, "") for name in columns] for row in rows], columns=columns, dtype=object)
    )


def _acts_due(result: Record) -> Iterator[dict[str, Any]]:
    """Rows of `ActRow` about the first years, and about what is counted at the end of the first."""
    first = result.plan.horizon.first_year
    names = Names.of(result.data)
    due = acts_of(result)
    for row in rows_of(due[due["fiscal_year"] < first + FIRST_YEARS]):
        what = " ".join(part for part in (VERBS[row.kind], row.about, row.terms) if part)
        cells = {"fiscal_year": row.fiscal_year, "planned": f"{row.amount:.6g}", "unit": row.unit}
        yield {"what": what, "kind": row.kind, "item": row.item, "detail": row.detail, **cells}
    for row in rows_of(result.tables["budget"][:FIRST_YEARS]):
        cells = {"planned": f"{row.outlay_musd:.6g}", "unit": "million USD"}
        yield {"what": "all that the year cost", "fiscal_year": row.fiscal_year, "kind": "spent", **cells}
    stock = result.tables["stock"]
    last = stock[stock["period"].map(fiscal_year_of) == first].drop_duplicates("material", keep="last")
    for row in rows_of(last[last["stock_t"] > SMALL_T]):
        cells = {"item": row.material, "planned": f"{row.stock_t:.6g}", "unit": "t"}
        what = f"{names.material(row.material)} in store at the end of the year, as counted"
        yield {"what": what, "fiscal_year": first, "kind": "stock", **cells}


def _possible_news(result: Record) -> Iterator[dict[str, Any]]:
    """Rows of `NewsRow`: events that may have begun or ended, purchases that may be missing, figures that may have changed."""
    plan, names, first = result.plan, Names.of(result.data), result.plan.horizon.first_year
    for name in (*(c.name for c in plan.controls if c.in_force), *(event.name for event in plan.ongoing)):
        yield {"what": f"{name}, in force when the plan began: has it ended?", "kind": "event", "item": name}
    asked, listed = "has it begun, or been announced? If not: what was read (source)?", set()
    for scenario in plan.scenarios:
        event, hazard = scenario.events[0], scenario.events[0].hazard
        listed.add(hazard)
        cells = {"hazard": hazard or "", "from_year": f"{event.start_year:g}", "unit": "probability"}
        if hazard is None:  # stated in full by the plan alone
            cells |= {name: str(value) for name in STATED if (value := getattr(event, name)) is not None}
            cells["remaining_years"] = cells.get("duration_years", "")
        what = f"{names.hazard(hazard) if hazard else scenario.name}: {asked}"
        yield {"what": what, "kind": "event", "item": scenario.name, "expected": scenario.probability, **cells}
    held = set(select_materials(plan, result.data))
    for row in sampled(plan, result.data):
        if row.hazard not in listed and {"*", *held} & set(row.materials.split()):
            cells = {"item": f"{row.hazard}-{first}", "hazard": row.hazard, "unit": "a year"}
            cells["expected"] = f"{row.rate_per_yr:.4g}"
            yield {"what": f"{row.name or row.hazard}: {asked}", "kind": "event", **cells}
    yield from _possible_figures(result, held, names)


STATED = ("countries", "materials", "cut_share", "price_multiplier", "duration_years")
"""What news say of an event without a hazard."""
FIGURES = {
    "price": ("prices", "price_usd_per_kg"),
    "demand": ("demand", "demand_t_per_yr"),
    "capacity": ("capacities", "capacity_t_per_yr"),
}
"""Kind of a figure of `NewsRow` -> table and column that hold it."""


def _in_force(kind: str, plan: Plan, data: Dataset, year: int) -> dict[tuple[str, str], Any]:
    """(item, detail) -> the row of a figure that holds in a year, or the first one after it."""
    found: dict[tuple[str, str], Any] = {}
    for row in sorted(data.rows(FIGURES[kind][0]), key=lambda row: row.from_year):
        if kind != "price" or row.price_set == plan.price_set:
            key = row.activity if kind == "capacity" else row.material, row.segment if kind == "demand" else ""
            if row.from_year <= year or key not in found:
                found[key] = row
    return found


def _possible_figures(result: Record, held: Collection[str], names: Names) -> Iterator[dict[str, Any]]:
    """Rows of `NewsRow` about the year's purchases, and about figures of what the plan holds and of whom it counts on."""
    plan, data = result.plan, result.data
    first, due = plan.horizon.first_year, acts_of(result)
    for row in rows_of(due[(due["kind"] == "bought") & (due["fiscal_year"] == first)]):
        cells = {"item": row.item, "expected": f"{row.amount:.6g}", "unit": "t"}
        yield {"what": f"{row.about} bought in FY{first}: how much arrived?", "kind": "delivered", **cells}
    signed = {row.item for row in rows_of(due[due["kind"] == "contract"])}
    signed |= {row.producer for row in data.rows("commitments") if row.payer is None}
    counted = {"price": held, "demand": held, "capacity": signed | set(result.tables["acquisitions"]["source"])}
    for kind, (_, column) in FIGURES.items():
        for (item, detail), row in _in_force(kind, plan, data, first).items():
            if item in counted[kind]:
                what = " ".join(part for part in (f"{kind} of", names.any(item), detail) if part)
                unit = f"{base.stem_and_unit(column)[1]}{f' of {row.money_year}' if kind == 'price' and row.money_year else ''}"
                cells = {"item": item, "detail": detail, "expected": f"{getattr(row, column):.6g}", "unit": unit}
                yield {"what": f"{what}, from FY{first + 1} on", "kind": kind, **cells}


def news_facts(news: Sequence[NewsRow], plan: Plan, data: Dataset, first: int) -> dict[str, list[Any]]:
    """Figures of news as rows of tables that hold from a year on. Raises InputError for what the tables do not have."""
    faults, found = list[Fault](), dict[str, list[Any]]()
    for line, row in enumerate(news, start=2):
        if row.kind not in FIGURES or row.happened is None:
            continue
        (table, column), known = FIGURES[row.kind], _in_force(row.kind, plan, data, first)
        now = known.get((row.item, row.detail))
        if now is None:
            near = near_miss(f"{row.item} {row.detail}".strip(), [" ".join(key).strip() for key in known])
            faults.append(
                Fault(NEWS, str(line), "item", f"'{row.item}'", f"what has a {row.kind} in {table}.csv{near}")
            )
        else:
            source = row.source or f"the planner's news of FY{first - 1}"
            about = {"from_year": first, "source": source, "year": first, "confidence": "reported"}
            ends = {f"{column}_{end}": None for end in ("low", "high")}
            try:
                new = type(now).model_validate({**now.model_dump(), **about, **ends, column: row.happened})
            except ValidationError as error:
                faults += [Fault(NEWS, str(line), "happened", f"{row.happened:g}", expected(e)) for e in error.errors()]
            else:
                found.setdefault(table, []).append(new)
    if faults:
        raise InputError(faults)
    return found
