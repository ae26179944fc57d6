"""What an answer rests on, in words: data and their range, what owners expect, evidence."""

from __future__ import annotations

from ..schemas.plan import Plan
from .evidence import Basis
from .home_words import confidence_said

MOST_LINES = 12
"""Lines of a section before the rest is counted instead of listed."""


def limited(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], f"  ... and {len(lines) - MOST_LINES} more in the tables"]


def based_on(plan: Plan, basis: Basis) -> list[str]:
    """Facts and estimates, and the widest estimates of what the plan acts on."""
    lines = [
        f"BASED ON {basis.facts:,} reported or derived rows of data and {basis.estimates:,} estimates; prices: {plan.price_set}."
    ]
    lines += confidence_said(basis.home)
    if basis.widest:
        lines.append("  The most uncertain figures that this answer depends on, with their range (more: `check`):")
    lines += [f"  {words}" for words in basis.widest]
    if basis.doubts:
        lines += [
            "  DOUBTFUL, check these figures before you use the answer:",
            *limited([f"  {doubt}" for doubt in basis.doubts]),
        ]
    judged = [s for s in plan.scenarios if s.probability > 0]
    if judged:
        lines.append(
            f"  Probabilities set by the planner: {', '.join(f'{s.name} {s.probability:.0%}' for s in judged)}."
        )
    if basis.reluctant:
        lines.append(
            "  For some users the crisis price is higher than the loss assumed for going without: "
            f"{', '.join(basis.reluctant[:MOST_LINES])}{' ...' if len(basis.reluctant) > MOST_LINES else ''}. Where the loss "
            "is an estimate made of the price itself that is so by construction; elsewhere check which figure is right."
        )
    lines += [f"  Hidden by the length of periods: {words}." for words in basis.averaged]
    lines += [*controls_said(plan), *owners_said(plan)]
    lines.append(
        "  Assumption: once a disruption begins, everyone knows how long and how severe it will be; contracts due to be signed "
        "later are signed as planned."
    )
    return lines


def controls_said(plan: Plan) -> list[str]:
    """Measures that other countries have in force when the plan starts, and of which it is not known whether they are."""
    said = []
    lasting = [control for control in plan.controls if control.until_year > plan.horizon.first_year]
    known = [control for control in lasting if control.in_force and control.probability is None]
    if known:
        first = plan.horizon.first_year
        told = ", ".join(f"{control.name}, for {control.until_year - first:.1f} more years" for control in known)
        said.append(f"  In force when the plan starts: {told}.")
    if plan.ongoing:
        begun = ", ".join(f"{event.name}, since {event.start_year:.1f}" for event in plan.ongoing)
        said.append(f"  Has begun, and nobody knows when it ends: {begun}.")
    for control in (control for control in lasting if control.probability is not None):
        taken = "in force" if control.in_force else "not in force"
        said.append(
            f"  Not known: whether {control.name} is in force (probability {control.probability:.0%}). This answer takes it as "
            f"{taken}; the command `controls` solves every case."
        )
    return said


def owners_said(plan: Plan) -> list[str]:
    """What owners of projects are taken to expect, where it is not the baseline course at their own hurdle rates."""
    owners, said = plan.owners, []
    if owners.expectation == "scenarios":
        drawn = (
            f"{owners.sample:,} scenarios (seed {owners.seed})" if plan.sample is not None else "the listed scenarios"
        )
        said.append(f"  Project owners value their plants over {drawn}, in which low prices may close them.")
    if owners.price_risk_premium > 0:
        said.append(
            f"  Assumption: owners' hurdle rates contain a price-risk premium of {owners.price_risk_premium:.1%}; a price floor "
            "removes part of it."
        )
    return said


def evidence_said(basis: Basis) -> list[str]:
    counts, worst = basis.counts, basis.worst
    audit = {
        "passed": "the independent audit passed: every rule and every figure was worked out again, and agrees",
        "FAILED": f"the independent audit FAILED: {worst.family} is off by {worst.largest:.1e} {worst.unit}",
    }.get(basis.audit_word, f"independent audit {basis.audit_word}")
    return [
        f"EVIDENCE: {audit}.",
        f"  Model: {counts['scenarios']:,} scenarios, {counts['columns']:,} columns, {counts['rows']:,} rows, "
        f"{counts['binaries']:,} binaries; solved in {basis.seconds:,.1f} s by HiGHS {basis.highs} (feasibility tolerance "
        f"{basis.tolerance:g}).",
        *(f"  {line}" for line in basis.own),
    ]
