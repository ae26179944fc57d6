"""A rule that is dropped from the model changes its answer, and the audit, which never saw the model, objects."""

import pytest

from strategic_minerals import ReserveError, Runner, UntrustedError, solve
from strategic_minerals.model import branch, commitments, period
from strategic_minerals.model import period as origin
from support.instances import random_case

RULES = {
    period: """segment_bound surplus_limit stock_balance reserve_production source_capacity source_survival project_capacity
        floor_purchase days_of_cover""",
    origin: "clean_share clean_support clean_balance",
    branch: "branch_purchases",
    commitments: "one_package operating beside_market_floor contract_lots budget total_budget",
}
"""Room -> families that it adds."""
SEEDS = range(40)
CLEAN = {"origin": True, "reach_back": True, "cover": False, "reserve": True}
SWITCHES = {
    "add_clean_share": CLEAN,
    "add_clean_balance": CLEAN,
    "add_clean_support": {**CLEAN, "additional": True, "two_projects": True, "gallium": False, "committed": False},
    "add_contract_lots": {"lots": True, "contracts": True, "lean": True},
    "add_days_of_cover": {"cover": True},
    "add_total_budget": {"total_budget": True, "lean": True},
    "add_source_survival": {"flood": True, "market_floor": True, "restart": True, "border_floor": False},
}
"""What must be on for a rule to matter. The liability cap never binds here; test_closed_forms.py has it by hand."""

SEEN = {"add_segment_bound": 28, "add_days_of_cover": 19, "add_beside_market_floor": 8}
"""Seed that is tried first, where early ones do not need the rule."""


@pytest.mark.parametrize(
    ("room", "rule"),
    [(room, f"add_{rule}") for room, rules in RULES.items() for rule in rules.split()],
    ids=lambda v: getattr(v, "__name__", v),
)
def test_a_dropped_rule_does_not_go_unseen(room, rule, monkeypatch):
    """Proves: each constraint family matters somewhere, and where it does, no answer without it gets past the audit."""
    monkeypatch.setattr(room, rule, lambda *_: None)
    objections = []
    for seed in (SEEN.get(rule, 0), *SEEDS):
        try:
            solve(*random_case(seed, **SWITCHES.get(rule, {})), gap=1e-6, quick=True, run=Runner(deadline_s=600.0))
        except UntrustedError as error:
            objections.append(str(error))
            break
        except (ReserveError, AttributeError):  # rows of other rules may need what is gone
            continue
    assert objections, f"no instance needs {rule}"
    assert any(word in objections[0] for word in ("audit", "unbounded", "tolerances"))
