"""Find and read a question, a plan with its tables, from files of any kind; all faults are raised together."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from ..core.errors import OVERRIDES, Fault, InputError, PlanError, gathering, shipped, shown
from ..core.runner import checkpoint
from .dataset import Dataset
from .plan import Plan
from .read_csv import load_dataset, unknown_home
from .read_toml import find_plan, read_as, unread
from .together import joint_question

SHIPPED = "shipped"
"""In place of a folder: the tables that come with the package."""


def find_tables(plan: Path, tables: Path | None) -> Path:
    """The folder asked for, else `tables` or `inputs` next to the plan; the shipped one for shipped plans and if asked for.

    Raises InputError for a plan of one's own without tables: facts of others are not put under it unasked."""
    if tables is not None and not (str(tables) == SHIPPED and not tables.exists()):
        return tables
    for name in ("tables", "inputs"):
        if tables is None and (plan.parent / name).is_dir():
            return plan.parent / name
    folder = plan.parent.resolve()
    if tables is None and folder.name == "models" and (folder.parent / "inputs").is_dir():  # as in a checkout
        return folder.parent / "inputs"
    if tables is None and folder != shipped("models").resolve():
        expected = f"tables in a folder `tables` beside the plan, or `--tables {SHIPPED}` for those of the package"
        raise InputError([Fault(str(plan.parent), "", "tables", "no tables for this plan", expected)])
    return shipped("inputs")


def load_question(
    path: Path, tables: Path | None = None, values: Mapping[str, Any] | None = None
) -> tuple[Plan, Dataset]:
    """A plan (TOML, JSON, a workbook with its tables, or the name of a shipped one) and its tables; values: dotted path -> value,
    put into the plan.

    Raises PlanError or InputError with the faults of both at once."""
    checkpoint("reading the question")
    path = find_plan(path)
    if path.suffix.lower() == ".xlsx":
        from .workbook import load_workbook

        asked, own = load_workbook(path, values)
        if tables is not None:
            own = replace(load_dataset(find_tables(path, tables), asked.home), asked=own.asked)
        return asked, own
    faults: list[Fault] = []
    loaded, place, data = None, None, None
    with gathering(faults):
        loaded, place = read_as(Plan, path, values)
    with gathering(faults):
        folder = find_tables(path, tables)
        if loaded is not None and loaded.together is not None:
            together, data = joint_question(loaded, members_tables(loaded, folder))
            return together, replace(data, asked=place)
        if loaded is not None and place is not None and (expected := unknown_home(folder, loaded.home)):
            faults.append(place.placed(Fault("plan", "", "home", f"'{loaded.home}'", expected)))
        else:
            data = load_dataset(folder, *([] if loaded is None else [loaded.home]))
    if loaded is None or data is None:
        raise PlanError(faults)
    return loaded, replace(data, asked=place)


def load_members(
    path: str | Path, tables: str | Path | None = None, values: Mapping[str, Any] | None = None
) -> tuple[Plan, dict[str, Dataset]]:
    """A plan of several homes, and the tables of each of them by home: what `coalitions` asks for.

    path: a plan file, or the name of a shipped plan. tables: the folder with tables of every member; None: as `load_question` finds
    it. values: dotted path -> value, put into the plan; None: the plan as it is.

    Raises PlanError for a plan without a section `together`; otherwise as `load_question`."""
    path = find_plan(Path(path))
    plan, place = read_as(Plan, path, values)
    if plan.together is None:
        fault = Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")
        raise PlanError([place.placed(fault)])
    return plan, members_tables(plan, find_tables(path, None if tables is None else Path(tables)))


def members_tables(plan: Plan, folder: Path) -> dict[str, Dataset]:
    """Tables of every member of a plan of several homes, by home. Raises InputError for a home without tables of its own."""
    members = () if plan.together is None else plan.together.members
    for member in members:
        if expected := unknown_home(folder, member.home):
            raise InputError([Fault("plan", "", "together.members", f"'{member.home}'", expected)])
    return {member.home: load_dataset(folder, member.home) for member in members}


def with_demand(data: Dataset, whence: str) -> Dataset:
    """Tables that say what is needed. Raises InputError where a folder or a book has no table `demand` at all."""
    if "demand" not in data.tables:
        expected = "demand.csv, or a sheet `demand`: what home users need (only a header if there is no demand)"
        raise InputError([Fault(whence, "", "demand", "no table `demand`", expected)])
    return data


def overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as dotted path -> value; values are read as TOML, and as plain text where they are not; `null` is None.

    Raises PlanError for a text of another form, a field that is set twice and a number that is too long."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        if not key or not value or len(pair.splitlines()) > 1:
            expected = "one line key=value, such as budget.total_musd=500; key=null clears an optional field"
            raise PlanError([Fault(OVERRIDES, "", key[:LONGEST_KEY], shown(pair), expected)])
        if key in found:
            raise PlanError([Fault(OVERRIDES, "", key, "the field twice", "each field once")])
        found[key] = None if value.lower() == "null" else _value(key, value)
    return found


LONGEST_KEY = 80
"""Characters of a field that are shown."""


def _value(key: str, text: str) -> Any:
    """A value as TOML spells it, else the text unchanged. Raises PlanError for a number of more digits than are read."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise PlanError([replace(unread(OVERRIDES, text, "TOML", error), column=key)]) from None


# Promises as planners write them: how much of a segment's demand is to be served while a disruption lasts.
WRITTEN = "material:segment:level, with a level from 0 to 1 (80 % is 0.8), e.g. ndfeb_magnet:civil:0.8"
"""How a promise is written."""


@dataclass(frozen=True)
class Promise:
    """A share of a segment's demand that must be served while a disruption lasts."""

    material: str
    segment: str
    level: float
    per: str = "episode"
    """Counted over the whole episode, or in every `fiscal_year` of it."""

    @classmethod
    def parse(cls, text: str) -> Promise:
        """From `material:segment:level`. ValueError, which says how one is written."""
        try:
            material, segment, level = text.split(":")
            if 0 <= float(level) <= 1:
                return cls(material, segment, float(level))
        except ValueError:
            pass
        raise ValueError(WRITTEN)


def _read(value: Any) -> Any:
    """A promise from text; anything else as it is."""
    return Promise.parse(value) if isinstance(value, str) else value


WrittenPromise = Annotated[Promise, BeforeValidator(_read, json_schema_input_type=str)]
"""A promise in an option of a verb: as an object, or as it is written."""
