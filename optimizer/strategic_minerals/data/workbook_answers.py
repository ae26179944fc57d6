"""What the answers of the sheet `start here` make of a plan and its tables."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ..core.errors import Fault, PlanError, near_miss
from ..core.units import MONTHS_PER_YEAR
from ..schemas.plan import Plan
from ..schemas.tables import TABLES
from .dataset import Dataset
from .plan_file import parse_plan
from .workbook_start import FLOOR, MINE, ON, OWN_PROJECT, PROMISE, STOP, USE, Answers

OWN_STOP, OWN_SCENARIO = "own_stop", "own-stop"
"""Names of what the answers add."""
SAMPLE = {"scenarios": 40, "draws": 1000, "seed": 1}
"""Scenarios of a plan that drew none."""
PROMISED = 0.005
"""Probability of the scenario in which a promise is kept: it is there to be planned for, not to be expected."""
SOURCE = "sheet start here"
RULES = ("days_of_cover", "service_levels", "diversification")
"""Sections of a plan whose rules are about one material."""
PLACES = {
    "materials": "materials",
    "horizon.first_year": "first year",
    "horizon": "years",
    "budget": "budget a year (million USD)",
    "instruments.price_floors": f"{FLOOR}: levels (USD/kg)",
    "service_levels": f"{PROMISE}: share served (%)",
    "scenarios": f"{PROMISE}: year of the stop",
}
"""Field of the plan -> question that fills it."""


def answered(plan: Plan, data: Dataset, answers: Answers) -> tuple[Plan, Dataset]:
    """Plan and tables with what was answered. Raises PlanError with the cell of an answer that names nothing that there is."""
    answers = _in_codes(data, answers)
    values = answers.values
    known = plan.to_toml_like()
    faults = [*answers.faults, *_unknown(plan, data, answers)]
    if faults:
        raise PlanError(faults)
    if "materials" in values:
        known |= _about_these(known, values["materials"])
    for question, place in (("first year", "first_year"), ("years", "years")):
        if question in values:
            known["horizon"][place] = int(values[question])
    _within(known)
    if (money := values.get("budget a year (million USD)")) is not None:
        known["budget"]["appropriation_musd"] = money
    added: dict[str, list[Any]] = {}
    if _used(answers, STOP):
        added["hazards"] = [_hazard(plan, answers)]
        sample = known.setdefault("sample", dict(SAMPLE, hazards=[]))
        if "*" not in sample.get("hazards", ["*"]):
            sample["hazards"] = [*sample["hazards"], OWN_STOP]
    if _used(answers, MINE):
        first = known["horizon"]["first_year"]
        added["projects"] = [_project(plan, answers, first)]
        makes = {"producer": OWN_PROJECT, "material": values[f"{MINE}: material"], "yield_t_per_t": 1.0, **_said()}
        added["yields"] = [TABLES["yields"].model_validate(makes)]
        instruments = known.setdefault("instruments", {})
        if "*" not in instruments.get("project_list", ["*"]):
            instruments["project_list"] = [*instruments["project_list"], OWN_PROJECT]
        instruments["projects"] = True
    if _used(answers, FLOOR):
        floor = {
            "material": values[f"{FLOOR}: material"],
            "levels_usd_per_kg": values[f"{FLOOR}: levels (USD/kg)"],
            "term_years": values[f"{FLOOR}: years"],
        }
        menus = known.setdefault("instruments", {}).get("price_floors", [])
        known["instruments"]["price_floors"] = [*(m for m in menus if m["material"] != floor["material"]), floor]
    if _used(answers, PROMISE):
        known["scenarios"] = [*known.get("scenarios", []), _scenario(plan, answers)]
        level = {
            "material": values[f"{PROMISE}: material"],
            "segment": values[f"{PROMISE}: user"],
            "level": values[f"{PROMISE}: share served (%)"] / 100,
            "scenarios": [OWN_SCENARIO],
        }
        known["service_levels"] = [*known.get("service_levels", []), level]
    try:
        asked = parse_plan(known, file=answers.place)
    except PlanError as error:
        raise PlanError([_placed(fault, answers) for fault in error.faults]) from None
    return asked, _with_rows(data, added)


def _within(known: dict[str, Any]) -> None:
    """Years in which may be signed, without those outside the planned years; where none is left, any may be."""
    first, years = known["horizon"]["first_year"], known["horizon"]["years"]
    instruments = known.get("instruments", {})
    for name in ("signing_years", "contract_years"):
        if instruments.get(name):
            kept = [year for year in instruments[name] if first <= year < first + years]
            instruments |= {name: kept or None}


def _about_these(known: Mapping[str, Any], materials: list[str]) -> dict[str, Any]:
    """The materials that are asked for, and the plan's rules without those about others."""
    found: dict[str, Any] = {"materials": materials}
    if "*" in materials:
        return found
    for section in RULES:
        if section in known:
            found[section] = [rule for rule in known[section] if rule["material"] in materials]
    if menus := known.get("instruments", {}).get("price_floors"):
        kept = [menu for menu in menus if menu["material"] in materials]
        found["instruments"] = {**known["instruments"], "price_floors": kept}
    return found


def _used(answers: Answers, block: str) -> bool:
    return str(answers.values.get(f"{block}: {USE}", "")).strip().casefold() in ON


def _said() -> dict[str, str]:
    return {"source": SOURCE, "confidence": "estimate", "note": "entered by the planner"}


def _in_codes(data: Dataset, answers: Answers) -> Answers:
    """Answers with codes where names were written, in whatever letters."""
    materials = {r.name.casefold(): r.material for r in data.rows("materials")}
    materials |= {r.material.casefold(): r.material for r in data.rows("materials")}
    countries = {r.name.casefold(): r.country for r in data.rows("countries")}
    countries |= {r.country.casefold(): r.country for r in data.rows("countries")}
    segments = {r.segment.casefold(): r.segment for r in data.rows("demand")}
    of = {"material": materials, "materials": materials, "country": countries, "user": segments}
    values = dict(answers.values)
    for question, answer in values.items():
        codes = of.get(question.rpartition(": ")[2])
        if codes is not None:
            named = [
                codes.get(str(name).casefold(), name) for name in (answer if isinstance(answer, list) else [answer])
            ]
            values[question] = named if isinstance(answer, list) else named[0]
    return replace(answers, values=values)


def _unknown(plan: Plan, data: Dataset, answers: Answers) -> list[Fault]:
    """Faults of names that no table has, of materials that are not planned, and of a stop outside the planned years."""
    materials = {row.material for row in data.rows("materials")}
    countries = {row.country for row in data.rows("countries")}
    faults = []

    def check(question: str, known: Collection[str], what: str) -> None:
        answer = answers.values.get(question)
        several = isinstance(answer, list)
        names = answer if isinstance(answer, list) else [answer]
        for name in names if answer is not None else ():
            if name not in known and not (name == "*" and several):
                faults.append(answers.fault(question, f"'{name}'", f"{what}{near_miss(str(name), known)}"))

    check("materials", materials, "codes of the sheet materials")
    asked = answers.values.get("materials", list(plan.materials))
    planned = materials if "*" in asked else materials & {*asked}
    what = "one of the plan's materials" + (f": {', '.join(sorted(planned))}" if len(planned) <= MOST_NAMED else "")
    used = [block for block in (STOP, MINE, FLOOR, PROMISE) if _used(answers, block)]
    for block in dict.fromkeys([*([STOP] if PROMISE in used else []), *used]):
        check(f"{block}: country", countries, "codes of the sheet countries")
        check(f"{block}: materials", planned, what)
        check(f"{block}: material", planned, what)
    if PROMISE in used and (material := answers.values.get(f"{PROMISE}: material")) in planned:
        segments = {row.segment for row in data.rows("demand") if row.material == material}
        check(f"{PROMISE}: user", segments, f"a segment with demand for {material}: {', '.join(sorted(segments))}")
    begins = answers.values.get(f"{PROMISE}: year of the stop")
    if PROMISE in used and begins is not None:
        first = answers.values.get("first year", plan.horizon.first_year)
        last = first + answers.values.get("years", plan.horizon.years) - 1
        if not first + 1 <= begins <= last:
            place, said = f"{PROMISE}: year of the stop", f"a year from {first + 1:g} to {last:g}"
            faults.append(answers.fault(place, f"{begins:g}", said))
    return faults


MOST_NAMED = 12
"""Materials that a fault names."""


def _stop(plan: Plan, answers: Answers) -> dict[str, Any]:
    """What a stop does, as fields of an event: as answered, or as the ready rows have it where the stop itself is not drawn."""
    values = answers.values
    materials = values[f"{STOP}: materials"]
    return {
        "countries": " ".join(values[f"{STOP}: country"]),
        "materials": " ".join(plan.materials if "*" in materials and "*" not in plan.materials else materials),
        "cut_share": values[f"{STOP}: supply lost (%)"] / 100,
        "price_multiplier": values[f"{STOP}: price multiple"],
        "years": values[f"{STOP}: months"] / MONTHS_PER_YEAR,
    }


def _hazard(plan: Plan, answers: Answers) -> Any:
    """The stop as a hazard: at the rate at which one begins in a year with the chance that was answered, -ln(1 - chance)."""
    stop = _stop(plan, answers)
    chance = answers.values[f"{STOP}: chance a year (%)"] / 100
    row = {
        "hazard": OWN_STOP,
        "name": "Licence stop of the sheet start here",
        "kind": "licence",
        "countries": stop["countries"],
        "materials": stop["materials"],
        "rate_per_yr": -math.log(1 - chance),
        "duration_yr": stop["years"],
        "cut_share": stop["cut_share"],
        "price_multiplier": stop["price_multiplier"],
        **_said(),
    }
    return TABLES["hazards"].model_validate(row)


def _project(plan: Plan, answers: Answers, first_year: int) -> Any:
    values = answers.values
    row = {
        "project": OWN_PROJECT,
        "name": values[f"{MINE}: name"],
        "country": values[f"{MINE}: country"],
        "stage": "mine",
        "capacity_t_per_yr": values[f"{MINE}: tonnes a year"],
        "capex_musd": values[f"{MINE}: capital cost (million USD)"],
        "cash_usd_per_kg": values[f"{MINE}: cash cost (USD/kg)"],
        "lead_yr": values[f"{MINE}: years to build"],
        "life_yr": values[f"{MINE}: years of life"],
        "hurdle_rate": values[f"{MINE}: return asked (%)"] / 100,
        "earliest_signing": first_year,
        "money_year": plan.price_year,
        **_said(),
    }
    return TABLES["projects"].model_validate(row)


def _scenario(plan: Plan, answers: Answers) -> dict[str, Any]:
    """The scenario of the promise: one stop as described, beginning in its year."""
    stop = _stop(plan, answers)
    years = stop.pop("years")
    event = {"start_year": answers.values[f"{PROMISE}: year of the stop"], "duration_years": years, **stop}
    return {"name": OWN_SCENARIO, "probability": PROMISED, "design_basis": True, "events": [event]}


def _with_rows(data: Dataset, added: Mapping[str, list[Any]]) -> Dataset:
    """Tables with further rows, which stand in no cell of their sheets."""
    tables = dict(data.tables)
    for table, rows in added.items():
        keys = {tuple(getattr(row, part) for part in type(row).key) for row in rows}
        kept = [r for r in data.rows(table) if tuple(getattr(r, part) for part in type(r).key) not in keys]
        tables[table] = (*kept, *rows)
    book = data.book
    if book is not None and added:
        lines = {t: (*book.lines.get(t, ()), *(0 for _ in rows)) for t, rows in added.items()}
        columns = {t: book.columns.get(t, ()) for t in added}
        book = replace(book, lines={**book.lines, **lines}, columns={**book.columns, **columns})
    return replace(data, tables=types.MappingProxyType(tables), book=book)


def _placed(fault: Fault, answers: Answers) -> Fault:
    """A fault of the plan with the cell of the answer that made it."""
    for field, question in PLACES.items():
        if re.match(rf"{re.escape(field)}\b", fault.column) and question in answers.values:
            return answers.fault(question, fault.found, fault.expected)
    return fault
