"""An answer by either method: they agree, and the audit passes both."""

from typing import Any

import pytest

from strategic_minerals import Dataset, Plan, Result, solve


def both(plan: Plan, data: Dataset, gap: float = 1e-6, **options: Any) -> tuple[Result, Result]:
    """The flat and the decomposed answer. Both bounds enclose both objectives and the do-nothing references are one."""
    flat, apart = (
        solve(plan, data, gap=gap, method=method, quick=True, **options) for method in ("flat", "decomposed")
    )
    a, b = flat.outcome, apart.outcome
    assert (a.method, b.method) == ("flat", "decomposed")
    assert {a.reason, b.reason} <= {"optimal", "within_gap"}
    assert flat.audited.passed, flat.audited.worst()
    assert apart.audited.passed, apart.audited.worst()
    assert b.do_nothing_musd == pytest.approx(a.do_nothing_musd, rel=1e-8)
    room = max(2 * gap, 1e-7) * max(1.0, abs(a.do_nothing_musd))
    assert b.objective_musd == pytest.approx(a.objective_musd, abs=room)
    assert max(a.best_bound_musd, b.best_bound_musd) <= min(a.objective_musd, b.objective_musd) + room
    return flat, apart
