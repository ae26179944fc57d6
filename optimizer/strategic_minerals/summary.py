"""The answer in words that a minister's aide understands; honest numbers beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .menu import floor_names
from .review import NEVER, loss_spread, provenance

if TYPE_CHECKING:
    from .result import Result

MOST_ESTIMATES = 6
"""Widest estimates that the summary names, one a quantity and item."""

MOST_LINES = 12
"""Lines of a section before the rest is counted instead of listed."""


def summarise(result: Result) -> str:
    """The plan as text: the verdict, what to do, what it protects, what remains, what it rests on."""
    sections = [
        _verdict(result), _buy(result), _sign(result), _guarantee(result), _contracts(result), _money(result),
        _protection(result), _value(result), _rests_on(result), _evidence(result),
    ]  # fmt: skip
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def audit_word(result: Result) -> str:
    """How the audit ended: a relaxation leaves whole numbers open, so that there is no plan to audit."""
    if result.audited.passed:
        return "passed"
    return "not applicable to a relaxation" if result.outcome.relaxed else "FAILED"


def _tonnes(value: float) -> str:
    """Tonnes with about three figures: 31,490 t, 92.4 t, 0.0512 t."""
    return f"{float(f'{value:.4g}'):,.0f} t" if value >= 100 else f"{value:.3g} t"


def _musd(value: float) -> str:
    """Million USD with about three figures, never -0."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 0.05 else "0"


def _limited(lines: list[str]) -> list[str]:
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], f"  ... and {len(lines) - MOST_LINES} more in the tables"]


def _verdict(result: Result) -> list[str]:
    outcome, plan = result.outcome, result.plan
    title = plan.title or plan.name
    gap = f"{outcome.relative_gap:.2%}" if outcome.relative_gap is not None else "unknown"
    objective, bound = outcome.objective_musd or 0.0, outcome.best_bound_musd or 0.0
    if outcome.relaxed:
        return [
            title, "LINEAR RELAXATION: a bound on what any plan can achieve, not a plan to carry out",
            f"No plan beats doing nothing by more than {-bound:,.0f} million USD ({plan.price_year} money, discounted).",
        ]  # fmt: skip
    proof = {
        "optimal": f"proven best, within {gap}",
        "within_gap": f"proven within {gap} of the best (no plan is worth more than {round(-bound):,})",
        "stalled": f"NOT proven best: the solver gave no answer in part of the search, which ended at a gap of {gap}",
        "time_limit": f"NOT proven best: stopped by the time limit at a gap of {gap}",
        "interrupted": f"NOT proven best: interrupted at a gap of {gap}",
    }.get(outcome.reason, outcome.reason)  # fmt: skip
    if len(outcome.stages) > 1:
        proof = f"{proof} for the last aim"
    losses = result.tables["scenario_losses"]
    spared = float((losses.probability * (losses.loss_without_plan_musd - losses.loss_musd)).sum())
    return [
        title, *_stages(result),
        f"The plan is worth {round(-objective):,} million USD net against doing nothing ({plan.price_year} money, discounted, "
        f"expected): {proof}.",
        f"It spares {spared:,.0f} million USD of expected shortage loss. Loss function: {plan.loss_function} ({plan.loss_level}); "
        f"{_other_losses(result)}.",
    ]  # fmt: skip


STAGE_WORDS = {
    "risk": "The plan lowers risk, (1-m) expected loss + m CVaR, by {gain:,.4g} million USD against doing nothing",
    "spending": "The plan spends {z:,.4g} million USD (discounted)",
    "social_cost": "Social cost is lower by {gain:,.4g} million USD",
}


def _stages(result: Result) -> list[str]:
    """What each aim of several reached, the main one first, with its own bound."""
    if len(result.outcome.stages) < 2:
        return []
    lines = ["Aims in their order, each kept while the next is sought:"]
    for name, z, bound, _ in result.outcome.stages:
        off = (z - bound) / max(abs(z), 1e-9)
        lines.append(f"  {STAGE_WORDS[name].format(z=z, gain=-z)}; no plan does better than {abs(bound):,.4g} ({off:.2%} of it).")
    return lines


def _other_losses(result: Result) -> str:
    """How far the named loss functions are apart on this plan's materials."""
    factor, material = loss_spread(result.plan, result.data)
    if factor < 1.01:
        return "the others of the tables say the same of these materials"
    return f"the others of the tables differ by up to a factor of {factor:,.3g} ({material})"


def _undisturbed(result: Result) -> float:
    """Probability that no event has struck any material before the planned years end."""
    horizon, losses = result.plan.horizon, result.tables["scenario_losses"]
    end = horizon.first_year + horizon.years
    calm = [onset == "" or int(str(onset).split(".")[0]) >= end for onset in losses.onset]
    return float(losses.probability[calm].sum())


def _expected_purchases(result: Result) -> dict[str, float]:
    """Tonnes bought of each material in planned years, in expectation over all worlds."""
    flows, losses = result.tables["flows"], result.tables["scenario_losses"]
    mine = flows[(flows.world != "trunk") & ~flows["tail"]]
    weighted = mine.acquired_t * mine.world.map(losses.set_index("world").probability)
    return {str(name): float(value) for name, value in weighted.groupby(mine.material).sum().items()}


def _buy(result: Result) -> list[str]:
    bought, stock = result.tables["acquisitions"], result.tables["stock"]
    if bought.empty:
        return ["BUY: nothing for the reserve."]
    expected = _expected_purchases(result)
    total = bought.groupby("material").agg(t=("acquired_t", "sum"), musd=("cost_musd", "sum"),
                                           first=("fiscal_year", "min"), last=("fiscal_year", "max"))  # fmt: skip
    lines = []
    for material, row in total.sort_values("musd", ascending=False).iterrows():
        mine = stock[stock.material == material]
        peak = mine.loc[mine.stock_t.idxmax()]
        cover = f" ({peak.days_of_cover:,.0f} days of cover)" if pd.notna(peak.days_of_cover) else ""
        first, last = int(row["first"]), int(row["last"])
        years = f"FY{first}" if first == last else f"FY{first}-{last}"
        lines.append(
            f"  {material}: {_tonnes(row.t)} in {years} for {row.musd:,.1f} M; stock peaks at {_tonnes(peak.stock_t)} in "
            f"FY{peak.fiscal_year}{cover}; expected over all worlds {_tonnes(expected.get(str(material), 0.0))}"
        )
    calm = f"probability that it stays so through the plan: {_undisturbed(result):.0%}"
    return [f"BUY for the reserve as long as nothing has happened ({calm}):", *_limited(lines)]


def _sign(result: Result) -> list[str]:
    table = result.tables["projects"]
    chosen = table[table.share > 1e-6].sort_values("support_cost_musd", ascending=False)
    if chosen.empty:
        return ["SIGN: no project."]
    lines = []
    for row in chosen.itertuples():
        if row.baseline and row.package == "none":
            why = "committed before this plan" if row.committed else "expected to be built without support (baseline)"
            lines.append(f"  {row.project}: {why}")
            continue
        terms = [row.instrument if row.instrument != "none" else "no capital support"]
        if row.offtake_share:
            terms.append(f"offtake right on {row.offtake_share:.0%} in a crisis")
        if row.floor_material:
            terms.append(f"floor {row.floor_usd_per_kg:g} USD/kg {row.floor_material}")
        share = "" if row.share > 1 - 1e-6 else f" ({row.share:.0%} of it)"
        cost = f"{row.support_cost_musd + row.offtake_fees_musd:,.1f} M on the budget"
        lines.append(
            f"  {row.project}{share}, FY{row.signed}: {', '.join(terms)}; {cost}; first output FY{row.first_output}"
        )
    rejected = int((table.share <= 1e-6).sum())
    return [
        "SIGN with projects:",
        *_limited(lines),
        f"  not supported: {rejected} of {len(table)} projects (table projects)",
    ]


def _guarantee(result: Result) -> list[str]:
    table, notes = result.tables["floors"], result.tables["notes"]
    never = notes[notes.kind == NEVER]
    asked = {f"floor {name}" for name in floor_names(result.plan).values()}
    gone = [f"  {text}" for item, text in zip(never.item, never.note, strict=True) if item in asked]
    others = [f"  {text}" for item, text in zip(never.item, never.note, strict=True) if item not in asked]
    apart = ["", "OUT OF REACH:", *_limited(others)] if others else []
    if table.empty and not asked:
        return apart[1:]
    if table.empty and len(gone) == len(asked):
        return ["GUARANTEE: none of the plan's price floors can be chosen:", *_limited(gone), *apart]
    if table.empty:
        which = "none of the price floors that can be chosen" if gone else "no price floor"
        return [f"GUARANTEE: {which} is worth its cost here.", *_limited(gone), *apart]
    lines = []
    for row in table.itertuples():
        inversion = "; WARNING: products that contain it escape the tariff" if row.tariff_inversion else ""
        within, later = row.expected_cost_musd, row.terminal_liability_musd
        paid = (
            f"expected cost {within:,.1f} M" if within >= 0
            else f"expected to bring {-within:,.1f} M more in claw-back than it pays out"
        )  # fmt: skip
        lines.append(
            f"  {row.floor}: {row.level_usd_per_kg:g} USD/kg for {row.term_yr:g} y from FY{row.start}, {paid} within the horizon, "
            f"{later:,.1f} M owed after it{inversion}"
        )
    return [
        "GUARANTEE price floors (costed over price states; states never shut a plant, so floors look a little dear):",
        *lines, *_limited(gone), *apart,
    ]  # fmt: skip


def _contracts(result: Result) -> list[str]:
    table = result.tables["contracts"]
    lines = [
        f"  {row.activity} ({row.country}): {_tonnes(row.contract_t_per_yr)}/y from FY{row.start} for {row.term_yr:g} y, "
        f"fees {row.fees_musd:,.2f} M"
        for row in table.sort_values("fees_musd", ascending=False).itertuples()
    ]
    return ["RESERVE offtake with allied sources:", *_limited(lines)] if lines else []


def _money(result: Result) -> list[str]:
    table = result.tables["budget"]
    outlay, appropriated = float(table.outlay_musd.sum()), float(table.appropriation_musd.sum())
    peak = table.loc[table.outlay_musd.idxmax()]
    lines = [
        f"MONEY: {_musd(outlay)} M of {appropriated:,.0f} M appropriated over "
        f"FY{table.fiscal_year.min()}-{table.fiscal_year.max()}; most in FY{int(peak.fiscal_year)} ({peak.outlay_musd:,.0f} M)."
    ]
    names = {"purchases": "purchases", "holding": "holding", "contract_fees": "contract fees", "offtake_fees": "offtake fees",
             "capital_support": "capital support", "floor_top_ups": "floor top-ups"}  # fmt: skip
    parts = [
        f"{label} {_musd(table[f'{name}_musd'].sum())}"
        for name, label in names.items()
        if table[f"{name}_musd"].sum() > 0.05
    ]
    lines.append(
        f"  by line [M]: {', '.join(parts) or 'nothing'}. Sales to the treasury {table.sales_musd.sum():,.0f} M."
    )
    if (table.liability_musd > 0.05).any():
        quantile = result.plan.budget.liability_quantile
        lines.append(
            f"  contingent liability of floors, apart from the budget: up to {table.liability_musd.max():,.0f} M a year "
            f"({quantile:.0%} of price states cost less)."
        )
    return lines


def _protection(result: Result) -> list[str]:
    losses = result.tables["scenario_losses"]
    hit = losses[losses.loss_without_plan_musd > 0]
    if hit.empty:
        return ["PROTECTS: no world of this plan has a shortage."]
    before = float((losses.probability * losses.loss_without_plan_musd).sum())
    after = float((losses.probability * losses.loss_musd).sum())
    lines = [f"PROTECTS: expected shortage loss falls from {before:,.0f} to {after:,.0f} M."]
    worst = losses.sort_values("loss_musd", ascending=False).head(3)
    lines.append("  What remains at risk, worst worlds:")
    for row in worst.itertuples():
        lines.append(
            f"  {row.world} (probability {row.probability:.1%}): loss {row.loss_musd:,.0f} M, "
            f"without the plan {row.loss_without_plan_musd:,.0f} M"
        )
    defence = losses[losses.defence_shortfall_t > 1e-3]
    chance = float(defence.probability.sum())
    lines.append(
        f"  Defence goes short in worlds of probability {chance:.1%}."
        if len(defence)
        else "  Defence goes short in no world of this plan."
    )
    shortfalls = result.tables["shortfalls"]
    if len(shortfalls):
        weight = losses.set_index("world").probability
        exposed = shortfalls[shortfalls.world != "trunk"].copy()
        exposed["expected"] = exposed.loss_musd * exposed.world.map(weight)
        by_material = exposed.groupby("material").expected.sum().sort_values(ascending=False)
        named = [f"{material} {value:,.1f}" for material, value in by_material.head(5).items() if value > 0.05]
        if named:
            lines.append(f"  Expected loss that stays, by material [M, undiscounted]: {', '.join(named)}.")
    return lines


def _value(result: Result) -> list[str]:
    """Split of what the plan is worth: shortage avoided, price, the rest; bets on prices named."""
    parts, table = result.objective_parts, result.tables["value"]
    columns = ("shortage_avoided_musd", "price_gain_musd", "users_musd", "authority_musd")
    shortage, price, users, authority = (float(table[c].sum()) for c in columns)
    net = shortage + price + users + authority
    lines = [
        f"WHERE THE VALUE COMES FROM: {shortage:+,.0f} M shortage avoided (losses per tonne include its price); "
        f"{users:+,.0f} M users, who pay for what they now get; {authority:+,.0f} M authority, outlays less what they leave; "
        f"{price:+,.0f} M because prices in a disruption differ from calm ones. Together {net:,.0f} M.",
    ]  # fmt: skip
    if price > 0.5 * net > 0:
        lines.append("  WARNING: more than half of the worth is a gain on prices, not shortage avoided.")
    bets = result.tables["held_for_price"]
    bets = bets[bets.at_undisturbed_prices_t < 0.5 * bets.expected_acquired_t - 1e-3]
    if len(bets):
        named = [
            f"{r.material} {_tonnes(r.at_undisturbed_prices_t)} instead of {_tonnes(r.expected_acquired_t)}"
            for r in bets.itertuples()
        ]
        lines.append(
            "  BETS ON PRICES: with the same commitments, were disrupted prices those of calm years, the reserve would buy "
            f"(expected) {'; '.join(named[:MOST_LINES])}. See price_gain = false."
        )
    lines += _drift(result)
    residual, salvage = parts.get("residual_credit", 0.0), parts.get("salvage", 0.0)
    if abs(residual) + abs(salvage) > 1:
        lines.append(
            f"  Credited at the end of the horizon: stock {_musd(-salvage)} M, unexpired life of projects {_musd(-residual)} M."
        )
    shares = result.tables["projects"].groupby("project")[["share", "share_at_residual_0"]].max()
    lost = sorted(shares.index[(shares.share > 0.5) & (shares.share_at_residual_0 <= 0.5)])
    won = sorted(shares.index[(shares.share <= 0.5) & (shares.share_at_residual_0 > 0.5)])
    if lost or won:
        changes = [f"without {', '.join(lost)}"] * bool(lost) + [f"with {', '.join(won)}"] * bool(won)
        lines.append(f"  If unexpired life were worth nothing at the end, the plan would be {' and '.join(changes)}.")
    elif residual < -1 and shares.share_at_residual_0.notna().all():
        lines.append("  The same projects are chosen where unexpired life is worth nothing at the end.")
    return lines


def _drift(result: Result) -> list[str]:
    """Materials in the reserve whose trunk price moves over the plan: part of their worth is that drift."""
    stock = result.tables["stock"]
    held = stock[stock.stock_t > 1e-6]
    moved = []
    for material, prices in (held.value_musd / held.stock_t).groupby(held.material):
        change = float(prices.iloc[-1] / prices.iloc[0] - 1)
        if abs(change) > 0.01:
            moved.append(f"{material} ({change:+.0%})")
    return [f"  PRICE DRIFT while held, nothing having happened: {', '.join(moved)}."] if moved else []


def _rests_on(result: Result) -> list[str]:
    """Facts and estimates, and the widest estimates of what the plan acts on: hazards first, then by what is at stake."""
    counted = provenance(result.plan, result.data)
    stake = _stakes(result)
    wide = counted.widest
    if len(wide):
        wide = wide.assign(of=wide.key.str.split("/").str[0], stake=[
            max((stake.get(part, 0.0) for part in key.split("/")), default=0.0) for key in wide.key
        ])  # fmt: skip
        wide = wide[wide.stake > 0].sort_values("stake", ascending=False, kind="stable")
        wide = wide.drop_duplicates(["table", "column", "of"])
        hazards = wide[wide.table == "hazards"].head(MOST_ESTIMATES // 2)
        wide = pd.concat([hazards, wide[wide.table != "hazards"].head(MOST_ESTIMATES - len(hazards))])
    lines = [
        f"RESTS ON: {counted.facts} reported or derived rows and {counted.estimates} estimates, prices of {result.plan.price_set}."
    ]
    for row in wide.itertuples():
        lines.append(f"  estimate {row.table}.{row.column} of {row.key}: {row.value:g} (from {row.low:g} to {row.high:g})")
    if len(wide):
        lines.append("  (the widest estimates behind what is at stake in this plan; command `check` lists all)")
    judged = [s for s in result.plan.scenarios if s.probability > 0]
    if judged:
        told = ", ".join(f"{s.name} {s.probability:.0%}" for s in judged)
        lines.append(f"  probabilities that the planner set: {told}.")
    reluctant = result.tables["notes"]
    names = sorted(set(reluctant.item[reluctant.kind == "rather short"]) & set(stake))
    if names:
        lines.append(
            f"  In some world users would rather go short than pay the price: {', '.join(names[:MOST_LINES])}"
            f"{' ...' if len(names) > MOST_LINES else ''}: loss function and crisis price do not agree there."
        )
    lines.append("  Assumed: once an event has begun its further course is known; commitments planned after it go on.")
    return lines


def _stakes(result: Result) -> dict[str, float]:
    """What the plan acts on -> its share of the gross worth: materials, offers, projects, contracted sources, hazards."""
    value, names = result.tables["value"], set(result.tables["held_for_price"].material)
    value = value[value.component != "commitments"]
    gross = value.shortage_avoided_musd.abs() + value.price_gain_musd.abs()
    total = max(float(gross.sum()), 1e-9)
    share: dict[str, float] = {}
    for materials, worth in zip(value.materials.str.split(), gross / total, strict=True):
        share |= {m: float(worth) for m in materials if m in names or worth > 0.05}
    bought, projects = result.tables["acquisitions"], result.tables["projects"]
    share |= {row.offer: share.get(row.material, 0.0) for row in bought.itertuples()}
    share |= dict.fromkeys(projects.project[projects.share > 1e-6], 0.5)
    share |= dict.fromkeys(result.tables["contracts"].activity, 0.5)
    struck = result.tables["scenario_losses"]
    avoided = struck.probability * (struck.loss_without_plan_musd - struck.loss_musd).clip(lower=0.0)
    for names_of, worth in avoided.groupby(struck.hazards).sum().items():
        for hazard in str(names_of).split():
            share[hazard] = share.get(hazard, 0.0) + 1.0 + float(worth) / total
    return share


def _evidence(result: Result) -> list[str]:
    counts, seconds = result.counts, result.seconds
    worst = result.audited.worst()
    return [
        f"EVIDENCE: independent audit {audit_word(result)} (largest residual "
        f"{worst.largest:.1e} {worst.unit} in {worst.family}); "
        f"{counts['scenarios']} worlds, {counts['columns']:,} columns, {counts['rows']:,} rows, {counts['binaries']:,} binaries; "
        f"{seconds.get('total', 0):.1f} s, HiGHS {result.versions['highs']}, feasibility tolerance "
        f"{result.options['primal_feasibility_tolerance']:g}."
    ]  # fmt: skip
