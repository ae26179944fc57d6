"""A plan made against few scenarios: its statistical bounds enclose what many scenarios say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from strategic_minerals import Plan, sampling_gap, solve
from strategic_minerals.core.errors import UntrustedError
from strategic_minerals.evaluation import sampling_gap as bounds
from support.drawn_cases import deciding


def test_bounds_enclose_the_best_plan_against_many_scenarios() -> None:
    """Proves: the cost of the best plan against 256 scenarios lies between the lower bound of samples of 8 and the upper bound
    in fresh scenarios, at 99.9 %; the lower bound is a bound, so it is not above the upper one; more scenarios narrow the gap."""
    plan, data = deciding()
    found = sampling_gap(plan, data, samples=8, fresh=500, seed=3, gap=1e-6, confidence=0.999)
    assert plan.sample is not None
    many = plan.model_copy(update={"sample": plan.sample.model_copy(update={"scenarios": 256})})
    outcome = solve(many, data, gap=1e-6).outcome
    best = (outcome.objective_musd or 0.0) + (outcome.do_nothing_musd or 0.0)
    assert found.lower[1] <= best <= found.upper[2]
    assert found.lower[0] <= found.upper[2]
    wider = sampling_gap(
        plan.model_copy(update={"sample": plan.sample.model_copy(update={"scenarios": 64})}),
        data,
        samples=8,
        fresh=500,
        seed=3,
        gap=1e-6,
        confidence=0.999,
    )
    assert wider.gap[2] < found.gap[2]


def test_soft_limits_count_in_both_bounds() -> None:
    """Proves: a cap on the one country that there is, at 10 a kg beyond half: the plan pays for it before any event, and so does
    the upper bound; without it the bounds would cross."""
    plan, data = deciding()
    cap = {
        "material": "a",
        "kind": "country_cap",
        "country": "CHN",
        "share": 0.5,
        "from_year": 2027,
        "penalty_usd_per_kg": 10.0,
    }
    capped = Plan.model_validate(plan.to_toml_like() | {"diversification": [cap]})
    found = sampling_gap(capped, data, samples=4, fresh=300, seed=3, gap=1e-6, confidence=0.999)
    free = sampling_gap(plan, data, samples=4, fresh=300, seed=3, gap=1e-6, confidence=0.999)
    assert found.lower[0] > free.lower[0] + 50
    assert found.upper[0] - free.upper[0] == pytest.approx(found.lower[0] - free.lower[0], rel=0.1)
    assert found.lower[1] <= found.upper[2]


def test_bounds_that_cross_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves: a plan that costs less in fresh scenarios than any plan can is a contradiction, and is told as one."""
    real = bounds.replicates

    def too_cheap(*args: Any, **options: Any) -> Any:
        return [(w, [replace(m, cost=m.cost - 1e6) for m in recourse]) for w, recourse in real(*args, **options)]

    monkeypatch.setattr(bounds, "replicates", too_cheap)
    with pytest.raises(UntrustedError, match="contradict each other"):
        sampling_gap(*deciding(), samples=3, fresh=50)


def test_a_weight_on_the_tail_has_no_such_bounds() -> None:
    """Proves: a lower bound with CVaR beside an upper one without would be a gap of two different aims."""
    plan, data = deciding()
    averse = Plan.model_validate(plan.to_toml_like() | {"risk": {"cvar_weight": 0.5}})
    with pytest.raises(ValueError, match="CVaR"):
        sampling_gap(averse, data)


def test_one_sample_gives_no_interval() -> None:
    with pytest.raises(ValueError, match="two samples"):
        sampling_gap(*deciding(), samples=1)


@pytest.mark.usefixtures("one_core")
def test_the_verb_bounds_tells_both(cli: Any) -> None:
    """Proves: on a sampled quickstart of one mineral; a plan that draws no scenarios is told why it has no bounds."""
    sampled = ["--set", "sample.scenarios=3", "--set", "sample.seed=1", "--set", 'materials=["gallium"]']
    said = cli("bounds", "quickstart", *sampled, "--samples", "2", "--fresh", "20")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(
        "SAMPLING GAP: how much worse this plan, made with few scenarios, may be than the best plan (expected social cost, losses "
        "included, in million USD; 95% confidence; 2 samples of 3 scenarios, 20 new random scenarios)"
    )
    told = json.loads(cli("bounds", "quickstart", *sampled, "--samples", "2", "--fresh", "10", "--json").stdout)
    assert [row["figure"] for row in told["bounds"]] == ["lower", "upper", "gap"]
    refused = cli("bounds", "quickstart")
    assert refused.returncode == 2
    assert "expected a plan with sampled scenarios: add a [sample] section" in refused.stderr
