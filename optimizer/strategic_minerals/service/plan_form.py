"""The plan form of the page: which fields it has, in which group, with which choices, and what was typed into them."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ..schemas.columns import column_of
from ..schemas.plan import Plan

if TYPE_CHECKING:
    from ..data.dataset import Dataset

SEEN = "seen"
"""Fact of a check that the page alone takes: values of the form's fields, title, and names to choose among."""
FLAGS = {"true": "yes", "false": "no"}
LISTED = {"loss_function": "loss_functions", "price_set": "prices"}
"""Field -> table whose names it chooses among."""
WORDS = {
    "planned": "what the plan would have spent",
    "appropriated": "that, and the unspent money of the year",
    "social_cost": "least social cost",
    "risk_within_budget": "least risk within the budget",
    "least_budget": "least budget that meets the requirements",
}
"""Choice -> what it is called, where its name is not clear."""


@dataclass(frozen=True)
class FormField:
    """One field. Choices: value -> words; none: it is typed in."""

    name: str
    """Its place in the plan."""
    label: str
    choices: Mapping[str, str]
    listed: bool = False
    """Its choices are names in the tables."""


@dataclass(frozen=True)
class Group:
    """Fields under one heading."""

    title: str
    fields: tuple[FormField, ...]


def _field(name: str) -> FormField:
    """A field with the label and the choices of the plan's schema."""
    *sections, last = name.split(".")
    model: Any = Plan
    for section in sections:
        model = _inner(model.model_fields[section].annotation)
    field = model.model_fields[last]
    values = [str(value) for value in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
    choices = {value: WORDS.get(value, value.replace("_", " ")) for value in values}
    return FormField(name, column_of(field).label, FLAGS if field.annotation is bool else choices, name in LISTED)


def _inner(kind: Any) -> Any:
    """The section that an optional field holds."""
    sections = [one for one in get_args(kind) if isinstance(one, type) and issubclass(one, BaseModel)]
    return sections[0] if sections else kind


SHOWN = {
    "Money": "budget.appropriation_musd budget.total_musd budget.carry_over_share budget.branch_money discount_rate",
    "Time": "horizon.first_year horizon.years horizon.period_months",
    "Prices and losses": "price_set loss_function loss_level price_gain",
    "What may be done": "instruments.reserve instruments.offtake_contracts instruments.projects "
    "procurement.law procurement.practice procurement.policy",
    "Aim and risk": "objective.kind risk.cvar_weight risk.alpha risk.cvar_limit_musd",
    "Random scenarios": "sample.scenarios sample.seed",
}
"""Heading -> fields under it."""
GROUPS = tuple(Group(title, tuple(map(_field, names.split()))) for title, names in SHOWN.items())
FIELDS = {field.name: field for group in GROUPS for field in group.fields}


def values_of(plan: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields of a plan, as text; empty where the plan says nothing."""
    found: dict[str, str] = {}
    for name in FIELDS:
        value: Any = plan
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        found[name] = "" if value is None else str(value) if plain else json.dumps(value, default=str)
    return found


def lists_of(data: Dataset) -> dict[str, list[str]]:
    """Names in the tables that fields choose among."""
    return {name: sorted({getattr(row, name) for row in data.rows(table)}) for name, table in LISTED.items()}


def raw_values(path: Path) -> dict[str, str]:
    """The form's fields of a plan file that may have faults, as far as it can be read at all."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return values_of(raw) if isinstance(raw, dict) else {}


def choices_of(field: FormField, value: str, lists: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """What a field may be set to, in words; empty: it is typed in. What the plan has is among them, whatever it is."""
    known = dict(field.choices) or {name: name for name in lists.get(field.name, ()) if field.listed}
    return {value: value, **known} if known and value and value not in known else known


def changed(form: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    """Fields that were typed in otherwise than the plan has them, as values of a request; emptied ones are taken away."""
    typed = {name: form[name].strip() for name in FIELDS if name in form}
    return {
        name: None
        if not text
        else text == "true"
        if FIELDS[name].choices == FLAGS and text in FLAGS
        else value_of(text)
        for name, text in typed.items()
        if text != given.get(name, "")
    }


def value_of(text: str) -> Any:
    """A typed value: JSON where it is a number or an object, else text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, float) and not math.isfinite(found):
        return text
    return found if isinstance(found, int | float | dict) and not isinstance(found, bool) else text
