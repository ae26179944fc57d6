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

from ..schemas.plan import Plan

if TYPE_CHECKING:
    from ..data.dataset import Dataset

SEEN = "seen"
"""Fact of a check that the page alone takes: values of the form's fields, title, and names to choose among."""
FLAGS = {"true": "yes", "false": "no"}


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


def _field(name: str, label: str, words: Mapping[str, str] | None = None, *, listed: bool = False) -> FormField:
    """A field; its choices are those of the plan's schema. words: what they are called, where they are not clear."""
    kind: Any = Plan
    for part in name.split("."):
        kind = _inner(kind.model_fields[part].annotation)
    if kind is bool:
        return FormField(name, label, FLAGS)
    values = [str(value) for value in get_args(kind)] if get_origin(kind) is Literal else []
    return FormField(
        name, label, {value: (words or {}).get(value, value.replace("_", " ")) for value in values}, listed
    )


def _inner(kind: Any) -> Any:
    """The section that an optional field holds."""
    sections = [one for one in get_args(kind) if isinstance(one, type) and issubclass(one, BaseModel)]
    return sections[0] if sections else kind


GROUPS = (
    Group(
        "Money",
        (
            _field("budget.appropriation_musd", "Appropriation per year (million USD, in the plan's price year)"),
            _field("budget.total_musd", "Limit on all spending (million USD)"),
            _field("budget.carry_over_share", "Share of a year's money that may be carried over"),
            _field(
                "budget.branch_money",
                "Money for purchases in a disruption",
                {
                    "planned": "what the plan would have spent",
                    "appropriated": "that, and the unspent money of the year",
                },
            ),
            _field("discount_rate", "Discount rate per year"),
        ),
    ),
    Group(
        "Time",
        (
            _field("horizon.first_year", "First fiscal year"),
            _field("horizon.years", "Number of fiscal years"),
            _field("horizon.period_months", "Length of a period (months)"),
        ),
    ),
    Group(
        "Prices and losses",
        (
            _field("price_set", "Price set", listed=True),
            _field("loss_function", "Loss function: economic loss per missing tonne", listed=True),
            _field("loss_level", "Loss estimate to use"),
            _field("price_gain", "Count the gain from selling at crisis prices"),
        ),
    ),
    Group(
        "What may be done",
        (
            _field("instruments.reserve", "Buy and hold material"),
            _field("instruments.offtake_contracts", "Sign offtake contracts"),
            _field("instruments.projects", "Support projects"),
            _field("procurement.law", "Keep the law on origins"),
            _field("procurement.practice", "Keep to what suppliers' governments allow"),
            _field("procurement.policy", "Buy nothing from covered nations"),
        ),
    ),
    Group(
        "Aim and risk",
        (
            _field(
                "objective.kind",
                "Aim",
                {
                    "social_cost": "least social cost",
                    "risk_within_budget": "least risk within the budget",
                    "least_budget": "least budget that meets the requirements",
                },
            ),
            _field("risk.cvar_weight", "Weight of the worst scenarios (0: expected cost only)"),
            _field("risk.alpha", "Share of scenarios that do not count as the worst (0.9: the worst 10 % count)"),
            _field("risk.cvar_limit_musd", "Limit on the mean loss of the worst scenarios (million USD)"),
        ),
    ),
    Group(
        "Random scenarios",
        (
            _field("sample.scenarios", "Number of random scenarios"),
            _field("sample.seed", "Random seed"),
        ),
    ),
)
FIELDS = {field.name: field for group in GROUPS for field in group.fields}
LISTED = {"loss_function": "loss_functions", "price_set": "prices"}
"""Field -> table whose names it chooses among."""


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
