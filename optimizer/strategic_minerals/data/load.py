"""Find and read a question, a plan with its tables, from files of any kind; all faults are raised together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.bounded_files import NOWHERE
from ..core.errors import Fault, FaultsError, InputError, PlanError, near_miss
from ..core.shipped import shipped
from ..schemas.descriptions import kinds_at
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .csv_files import load_dataset
from .dataset import Dataset
from .home_overlay import homes_in_words, homes_of
from .long_numbers import is_too_long, long_number
from .plan_file import SET, read_as
from .row_hints import with_row_hints
from .together import joint_question


def find_plan(path: Path) -> Path:
    """A file, the plan of a folder, or the shipped plan of that name. Raises PlanError where there is none."""
    if path.is_file():
        return path
    if path.is_symlink() and not path.exists():
        raise PlanError([Fault(str(path), "", "", NOWHERE, "a plan file")])
    if path.exists() and not path.is_dir():
        raise PlanError([Fault(str(path), "", "", "a pipe or a device", "a plan file (a regular file)")])
    inside = [path / name for name in ("plan.toml", "plan.json", "plan.xlsx") if (path / name).is_file()]
    if inside:
        return inside[0]
    known = sorted(each.stem for each in shipped("models").glob("*.toml"))
    if len(path.parts) == 1 and path.name.removesuffix(".toml") in known:
        return shipped("models") / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_dir():
        raise PlanError(
            [Fault(str(path), "", "", "a folder without a plan", "a folder with plan.toml, plan.json or plan.xlsx")]
        )
    close = near_miss(path.name, known)
    raise PlanError(
        [Fault(str(path), "", "", "no such file", f"a plan file, or a shipped plan: {', '.join(known)}{close}")]
    )


SHIPPED = "shipped"
"""In place of a folder: the tables that come with the package."""


def find_tables(plan: Path, tables: Path | None) -> Path:
    """The folder asked for, else `tables` or `inputs` next to the plan; the shipped one for shipped plans and if asked for.

    Raises InputError for a plan of one's own without tables: facts of others are not put under it unasked.
    """
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
    """A plan (TOML, JSON, or a workbook with its tables) and its tables; values: dotted path -> value, put into the plan.

    Raises PlanError or InputError with the faults of both at once.
    """
    if path.suffix.lower() == ".xlsx":
        from .workbook import load_workbook

        asked, own = load_workbook(path, values)
        return asked, own if tables is None else replace(
            load_dataset(find_tables(path, tables), asked.home), asked=own.asked
        )
    faults: list[Fault] = []
    loaded, place, data = None, None, None
    try:
        loaded, place = read_as(Plan, path, values)
    except FaultsError as error:
        faults += error.faults
    try:
        folder = find_tables(path, tables)
        homes = homes_of(folder)
        if loaded is not None and loaded.together is not None:
            together, data = joint_question(loaded, members_tables(loaded, folder))
            return together, replace(data, asked=place)
        if loaded is None or not homes or loaded.home in homes:
            data = load_dataset(folder, *([] if loaded is None else [loaded.home]))
        else:
            expected = homes_in_words(folder, homes) + near_miss(loaded.home, homes)
            fault = Fault("plan", "", "home", f"'{loaded.home}'", expected)
            faults.append(fault if place is None else place.placed(fault))
    except FaultsError as error:
        faults += error.faults
    if loaded is None or data is None:
        raise PlanError(with_row_hints(faults, data))
    return loaded, replace(data, asked=place)


def load_members(
    path: Path, tables: Path | None = None, values: Mapping[str, Any] | None = None
) -> tuple[Plan, dict[str, Dataset]]:
    """A plan of several homes as it stands, and the tables of each of them by home: what `coalitions` asks for.

    path: a plan file. tables: the folder with tables of every member; None: as `load_question` finds it. values: dotted path ->
    value, put into the plan; None: the plan as it stands.

    Raises PlanError for a plan without a section `together`; otherwise as `load_question`.
    """
    plan, place = read_as(Plan, path, values)
    if plan.together is None:
        fault = Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")
        raise PlanError([fault if place is None else place.placed(fault)])
    return plan, members_tables(plan, find_tables(path, tables))


def members_tables(plan: Plan, folder: Path) -> dict[str, Dataset]:
    """Tables of every member of a plan of several homes, by home. Raises InputError for a home without tables of its own."""
    members = () if plan.together is None else plan.together.members
    homes = homes_of(folder)
    for member in members:
        if member.home not in homes:
            found = f"'{member.home}'"
            expected = homes_in_words(folder, homes) + near_miss(member.home, homes)
            raise InputError([Fault("plan", "", "together.members", found, expected)])
    return {member.home: load_dataset(folder, member.home) for member in members}


def with_demand(data: Dataset, whence: str) -> Dataset:
    """Tables that say what is needed. Raises InputError where a folder or a book has no table `demand` at all."""
    if "demand" not in data.tables:
        expected = "demand.csv, or a sheet `demand`: what home users need (only a header if there is no demand)"
        raise InputError([Fault(whence, "", "demand", "no table `demand`", expected)])
    return data


def overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as dotted path -> value; values are read as TOML, and as plain text where they are not."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        key = key.strip()
        wrong = next(
            (
                words
                for is_so, words in (
                    (not sign, "no '='"),
                    (not key, "no field name before the '='"),
                    (bool(LINES & {*pair}), "more than one line"),
                    (value.lstrip().startswith("="), "two equals signs"),
                    (not value.strip(), EMPTY),
                )
                if is_so
            ),
            "",
        )
        if wrong == EMPTY:
            expected = f"{key[:LONGEST_KEY]}=value; {key[:LONGEST_KEY]}=null clears an optional field"
            raise PlanError([Fault(SET, "", pair[:40].strip(), wrong, expected)])
        if wrong:
            raise PlanError([Fault(SET, "", pair[:40].strip(), wrong, "key=value, e.g. budget.total_musd=500")])
        if "[" in key:
            raise PlanError([Fault(SET, "", key[:LONGEST_KEY], "brackets", _without_brackets(key))])
        if key in found:
            raise PlanError([Fault(SET, "", key, "the field twice", "each field once")])
        found[key] = None if _is_null(key, value) else _value(key, value)
    return found


EMPTY = "no value after the '='"
LONGEST_KEY = 80
"""Characters of a field that are shown."""


def _is_null(key: str, value: str) -> bool:
    """Whether a field is to be emptied; `none` may be the text of one that holds text."""
    word = value.strip().lower()
    return word == "null" or (word in ("none", "nil") and "string" not in kinds_at(Plan, key))


def _without_brackets(key: str) -> str:
    """What is expected in place of a field with brackets: places in lists after dots, cells of tables in their files."""
    dotted = re.sub(r"\[(\d+)\]", r".\1", key)
    if "[" not in dotted:
        return f"the number of a list entry after a dot, counted from 0: {dotted}"
    cell = " (a sweep varies cells of tables)" if key.partition("[")[0] in TABLES else ""
    return f"a field of the plan, e.g. budget.total_musd; edit tables in their files{cell}"


LINES = {"\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"}


def _value(key: str, text: str) -> Any:
    """A value as TOML spells it, else the text as it stands. Raises PlanError for a number of more digits than are read."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except (ValueError, RecursionError) as error:  # no TOML, nested beyond measure
        if is_too_long(error):
            raise PlanError([replace(long_number(SET, f"v = {text}", "TOML"), row="", column=key)]) from None
        return text.strip()
