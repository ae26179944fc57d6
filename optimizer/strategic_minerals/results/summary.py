"""The answer in words that a minister's aide understands; honest numbers beside it.

Every number of an answer comes from its named records (`figures`), which the audit works out again; what stands beside them, of the
inputs and of the solve, comes from `Basis`.
"""

from __future__ import annotations

from ..audit.figures import OUTLAYS, Figures
from ..formulation.aims import aim_in_words
from ..schemas.plan import Plan
from .evidence import Basis

MOST_LINES = 12
"""Lines of a section before the rest is counted instead of listed."""
WORST = 3
"""Scenarios that are told."""
SMALL_MUSD = 0.05
"""Million USD below which nothing is said of a line."""


def summarise(figures: Figures, plan: Plan, basis: Basis) -> str:
    """The plan as text: the verdict, what to do, what it protects, what remains, what it rests on."""
    sections = [
        _verdict(figures, plan, basis),
        _buy(figures),
        _sign(figures),
        _guarantee(figures, plan, basis),
        _contracts(figures),
        _money(figures, plan, basis),
        _protection(figures, basis),
        _value(figures),
        _rests_on(plan, basis),
        _evidence(basis),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _tonnes(value: float) -> str:
    """Tonnes with about three figures: 31,490 t, 92.4 t, 0.0512 t."""
    return f"{float(f'{value:.4g}'):,.0f} t" if value >= 100 else f"{value:.3g} t"


def _musd(value: float) -> str:
    """Million USD with about three figures, never -0."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= SMALL_MUSD else "0"


def _limited(lines: list[str]) -> list[str]:
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], f"  ... and {len(lines) - MOST_LINES} more in the tables"]


def _verdict(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    title = plan.title or plan.name
    gap, bound = f"{figures.value('gap_share'):.2%}", figures.value("bound_musd")
    several = len(figures.items("stage_difference_musd")) > 1
    if basis.relaxed:
        return [
            title,
            "LINEAR RELAXATION: a bound on what any plan can achieve, not a plan to carry out",
            _relaxed(figures, plan),
        ]
    kept = " that keeps the aims before" * several
    proof = {
        "optimal": f"proven best, within {gap}",
        "within_gap": f"proven within {gap} of the best (no plan{kept} is worth more than {round(-bound):,})",
        "stalled": f"NOT proven best: the solver gave no answer in part of the search, which ended at a gap of {gap}",
        "time_limit": f"NOT proven best: stopped by the time limit at a gap of {gap}",
        "interrupted": f"NOT proven best: interrupted at a gap of {gap}",
    }.get(basis.reason, basis.reason)
    if several:
        proof = f"{proof} for the last aim"
    spared = figures.value("expected_loss_without_musd") - figures.value("expected_loss_musd")
    return [
        title,
        *_stages(figures, plan),
        f"The plan is worth {round(figures.value('worth_musd')):,} million USD net against doing nothing ({plan.price_year} money, "
        f"discounted, expected): {proof}.",
        f"It spares {spared:,.0f} million USD of expected shortage loss. Loss function: {plan.loss_function} ({plan.loss_level}); "
        f"{_other_losses(basis)}.",
    ]


def _relaxed(figures: Figures, plan: Plan) -> str:
    """What a relaxation bounds: its first aim; a later one is sought where the relaxation keeps the first, which no plan may."""
    bounds = figures.items("stage_bound_musd")
    if len(bounds) > 1:
        first = next(iter(bounds))
        most = f"{bounds[first]:+,.4g} million USD against doing nothing (discounted)"
        return f"No plan's {aim_in_words(plan, first)} lies lower than {most}."
    worth = -figures.value("bound_musd")
    return f"No plan beats doing nothing by more than {worth:,.0f} million USD ({plan.price_year} money, discounted)."


STAGES = {
    "risk": "With the plan {aim} is {total:,.4g} million USD",
    "spending": "The plan spends {total:,.4g} million USD (discounted{tail})",
    "social_cost": "Social cost with the plan is {total:,.6g} million USD",
}
"""The total of each aim in words."""


def _stages(figures: Figures, plan: Plan) -> list[str]:
    """What each aim of several reached, the main one first: totals as totals, differences as differences, each with its bound."""
    differences = figures.items("stage_difference_musd")
    if len(differences) < 2:
        return []
    penalties = figures.value("penalties_musd")
    lines = ["Aims in their order, each kept while the next is sought:"]
    tail = "" if plan.horizon.tail_years == 0 else ", the years computed after the planned ones included"
    for n, (name, difference) in enumerate(differences.items()):
        total = STAGES[name].format(
            total=figures.value("stage_with_musd", name), tail=tail, aim=aim_in_words(plan, name)
        )
        more = f"{abs(difference):,.4g} {'more' if difference > 0 else 'less'} than doing nothing"
        if abs(difference) < SMALL_MUSD:
            more = "the same as doing nothing"
        counted = ", penalties counted" if penalties > SMALL_MUSD else ""
        others = "no plan that keeps the aims before" if n else "no plan"
        lines.append(
            f"  {total}, {more}{counted}; {others} does better than {figures.value('stage_bound_musd', name):+,.4g}."
        )
    if penalties > SMALL_MUSD:
        lines.append(
            f"  Penalties of {penalties:,.4g} million USD for soft rules count in every aim; nobody pays them."
        )
    return lines


def _other_losses(basis: Basis) -> str:
    """How far the named loss functions are apart on this plan's materials."""
    if basis.loss_spread < 1.01:
        return "the others of the tables say the same of these materials"
    return f"the others of the tables differ by up to a factor of {basis.loss_spread:,.3g} ({basis.loss_spread_of})"


def _buy(figures: Figures) -> list[str]:
    tonnes, cost = figures.items("bought_t"), figures.items("bought_musd")
    if not tonnes:
        return ["BUY: nothing for the reserve."]
    lines = []
    for material in sorted(tonnes, key=lambda name: -cost[name]):
        days = figures.items("peak_stock_days").get(material)
        cover = "" if days is None else f" ({days:,.0f} days of cover)"
        first, last = figures.value("bought_first", material), figures.value("bought_last", material)
        years = f"FY{first:.0f}" if first == last else f"FY{first:.0f}-{last:.0f}"
        lines.append(
            f"  {material}: {_tonnes(tonnes[material])} in {years} for {cost[material]:,.1f} M; stock peaks at "
            f"{_tonnes(figures.value('peak_stock_t', material))} in FY{figures.value('peak_stock_in', material):.0f}{cover}; "
            f"expected over all scenarios {_tonnes(figures.value('bought_expected_t', material))}"
        )
    calm = f"probability that it stays so through the plan: {figures.value('undisturbed_probability'):.0%}"
    return [f"BUY for the reserve as long as nothing has happened ({calm}):", *_limited(lines)]


def _sign(figures: Figures) -> list[str]:
    shares, cost = figures.items("signed_share"), figures.items("signed_cost_musd")
    if not shares:
        return ["SIGN: no project."]
    lines = []
    for name in sorted(shares, key=lambda signed: -cost[signed]):
        project, terms = name.partition(": ")[0], figures.text("signed_terms", name)
        if terms.startswith(("committed", "expected")):
            lines.append(f"  {project}: {terms}")
            continue
        share = "" if shares[name] > 1 - 1e-6 else f" ({shares[name]:.0%} of it)"
        lines.append(
            f"  {project}{share}, FY{figures.text('signed_in', name)}: {terms}; {cost[name]:,.1f} M on the budget; "
            f"first output FY{figures.text('signed_output_in', name)}"
        )
    rejected, of = figures.value("unsupported_count"), figures.value("projects_count")
    return [
        "SIGN with projects:",
        *_limited(lines),
        f"  not supported: {rejected:.0f} of {of:.0f} projects (table projects)",
    ]


def _guarantee(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    levels = figures.items("floor_level")
    gone, apart = [f"  {text}" for text in basis.floors_gone], _out_of_reach(basis)
    if not levels and not basis.floors_asked:
        return apart[1:]
    if not levels and len(gone) == basis.floors_asked:
        return ["GUARANTEE: none of the plan's price floors can be chosen:", *_limited(gone), *apart]
    if not levels:
        which = "no price floor that can be chosen, and" if gone else "no price floor"
        allowed = "the appropriations allow"
        if plan.budget.liability_cap_musd is not None:
            allowed = "appropriations and liability cap allow"
        proven = basis.reason in ("optimal", "within_gap")
        worth = "makes the plan better, but for the gap" if proven else "was found worth its cost"
        return [f"GUARANTEE: {which} that {allowed} {worth}.", *_limited(gone), *apart]
    lines = []
    for name, level in levels.items():
        inversion = "; WARNING: products that contain it escape the tariff" if name in basis.inverted else ""
        within, later = figures.value("floor_cost_musd", name), figures.value("floor_later_musd", name)
        paid = (
            f"expected cost {within:,.1f} M"
            if within >= 0
            else f"expected to bring {-within:,.1f} M more in claw-back than it pays out"
        )
        lines.append(
            f"  {name.rpartition(', ')[0]}: {level:g} USD/kg for {figures.value('floor_term_yr', name):g} y from "
            f"FY{figures.text('floor_from', name)}, {paid} within the horizon, {later:,.1f} M owed after it{inversion}"
        )
    return [
        "GUARANTEE price floors (costed over price states; states never shut a plant, so floors look a little dear):",
        *lines,
        *_limited(gone),
        *apart,
    ]


def _out_of_reach(basis: Basis) -> list[str]:
    """What else can never be chosen, as a section of its own."""
    return ["", "OUT OF REACH:", *_limited([f"  {text}" for text in basis.out_of_reach])] if basis.out_of_reach else []


def _contracts(figures: Figures) -> list[str]:
    tonnes, fees = figures.items("contract_t_per_yr"), figures.items("contract_fees_musd")
    lines = [
        f"  {name.rpartition(', ')[0]}: {_tonnes(tonnes[name])}/y from FY{name.rpartition(', ')[2]} for "
        f"{figures.value('contract_term_yr', name):g} y, fees {fees[name]:,.2f} M"
        for name in sorted(tonnes, key=lambda contract: -fees[contract])
    ]
    return ["RESERVE offtake with allied sources:", *_limited(lines)] if lines else []


def _money(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    by_year, given = figures.items("outlay_by_year_musd"), figures.total("appropriation_by_year_musd")
    peak = max(by_year, key=lambda year: by_year[year])
    lines = [
        f"MONEY: {_musd(figures.total('outlay_by_year_musd'))} M of {given:,.0f} M appropriated over "
        f"FY{min(by_year)}-{max(by_year)}; most in FY{peak} ({by_year[peak]:,.0f} M)."
    ]
    paid = figures.items("outlay_musd")
    parts = [
        f"{line.replace('_', ' ').replace('top ups', 'top-ups')} {_musd(paid[line])}"
        for line in OUTLAYS
        if paid[line] > SMALL_MUSD
    ]
    lines.append(
        f"  by line [M]: {', '.join(parts) or 'nothing'}. Sales to the treasury {figures.value('sales_musd'):,.0f} M."
    )
    most = max(figures.items("liability_by_year_musd").values(), default=0.0)
    if most > SMALL_MUSD:
        lines.append(
            f"  contingent liability of floors, apart from the budget: up to {most:,.0f} M a year "
            f"({plan.budget.liability_quantile:.0%} of price states cost less)."
        )
    return [*lines, *(f"  {note}." for note in basis.owed)]


def _protection(figures: Figures, basis: Basis) -> list[str]:
    without, loss, chance = figures.items("loss_without_musd"), figures.items("loss_musd"), figures.items("probability")
    if not any(value > 0 for value in without.values()):
        return ["PROTECTS: no scenario of this plan has a shortage."]
    before, after = figures.value("expected_loss_without_musd"), figures.value("expected_loss_musd")
    lines = [f"PROTECTS: expected shortage loss falls from {before:,.0f} to {after:,.0f} M."]
    lines.append("  What remains at risk, worst scenarios:")
    for name in sorted(loss, key=lambda scenario: -loss[scenario])[:WORST]:
        lines.append(
            f"  {name} (probability {chance[name]:.1%}): loss {loss[name]:,.0f} M, without the plan {without[name]:,.0f} M"
        )
    short = [name for name, tonnes in figures.items("defence_short_t").items() if tonnes > 1e-3]
    lines.append(
        f"  Defence goes short in scenarios of probability {sum(chance[name] for name in short):.1%}."
        if short
        else "  Defence goes short in no scenario of this plan."
    )
    if basis.tied:
        lines.append(f"  {'; '.join(basis.tied[:MOST_LINES])}.")
    remaining = sorted(figures.items("remaining_loss_musd").items(), key=lambda pair: -pair[1])
    named = [f"{material} {value:,.1f}" for material, value in remaining[:5] if value > SMALL_MUSD]
    if named:
        lines.append(f"  Expected loss that stays, by material [M, undiscounted]: {', '.join(named)}.")
    return lines


def _value(figures: Figures) -> list[str]:
    """Split of what the plan is worth: shortage avoided, price, the rest; bets on prices named."""
    shortage, price = figures.value("shortage_avoided_musd"), figures.value("price_gain_musd")
    users, authority = figures.value("users_musd"), figures.value("authority_musd")
    penalties, risk = figures.value("penalties_musd"), figures.value("risk_charge_musd")
    net = figures.value("worth_musd")
    apart = [f"{-penalties:+,.0f} M penalties for soft rules, which nobody pays"] * (penalties > SMALL_MUSD)
    apart += [f"{risk:+,.0f} M for the weight on CVaR"] * (abs(risk) > SMALL_MUSD)
    lines = [
        f"WHERE THE VALUE COMES FROM: {shortage:+,.0f} M shortage avoided (losses per tonne include its price); "
        f"{users:+,.0f} M users, who pay for what they now get; {authority:+,.0f} M authority, outlays less what they leave; "
        f"{price:+,.0f} M because prices in a disruption differ from calm ones{''.join(f'; {part}' for part in apart)}. "
        f"Together {net:,.0f} M.",
    ]
    if price > 0.5 * net > 0:
        lines.append("  WARNING: more than half of the worth is a gain on prices, not shortage avoided.")
    expected, undisturbed = figures.items("bought_expected_t"), figures.items("undisturbed_t")
    bets = [material for material, other in undisturbed.items() if other < 0.5 * expected.get(material, 0.0) - 1e-3]
    if bets:
        named = [f"{m} {_tonnes(undisturbed[m])} instead of {_tonnes(expected[m])}" for m in bets[:MOST_LINES]]
        lines.append(
            "  BETS ON PRICES: with the same commitments, were disrupted prices those of calm years, the reserve would buy "
            f"(expected) {'; '.join(named)}. See price_gain = false."
        )
    moved = [
        f"{material} ({change:+.0%})"
        for material, change in figures.items("price_drift_share").items()
        if abs(change) > 0.01
    ]
    if moved:  # part of their worth is that drift
        lines.append(f"  PRICE DRIFT while held, nothing having happened: {', '.join(moved)}.")
    stock, life = figures.value("salvage_musd"), figures.value("residual_musd")
    if abs(stock) + abs(life) > 1:
        lines.append(
            f"  Credited at the end of the horizon: stock {_musd(stock)} M, unexpired life of projects {_musd(life)} M."
        )
    lost, won = list(figures.items("lost_without_residual")), list(figures.items("won_without_residual"))
    if lost or won:
        changes = [f"without {', '.join(lost)}"] * bool(lost) + [f"with {', '.join(won)}"] * bool(won)
        lines.append(f"  If unexpired life were worth nothing at the end, the plan would be {' and '.join(changes)}.")
    elif life > 1 and figures.value("same_without_residual"):
        lines.append("  The same projects are chosen where unexpired life is worth nothing at the end.")
    return lines


def _rests_on(plan: Plan, basis: Basis) -> list[str]:
    """Facts and estimates, and the widest estimates of what the plan acts on."""
    lines = [
        f"RESTS ON: {basis.facts} reported or derived rows and {basis.estimates} estimates, prices of {plan.price_set}."
    ]
    lines += [f"  estimate {words}" for words in basis.widest]
    if basis.widest:
        lines.append("  (the widest estimates behind what is at stake in this plan; command `check` lists all)")
    if basis.doubts:
        lines += [
            "  DOUBTFUL, look at these before the answer is used:",
            *_limited([f"  {doubt}" for doubt in basis.doubts]),
        ]
    judged = [s for s in plan.scenarios if s.probability > 0]
    if judged:
        lines.append(
            f"  probabilities that the planner set: {', '.join(f'{s.name} {s.probability:.0%}' for s in judged)}."
        )
    if basis.reluctant:
        lines.append(
            f"  In some scenario users would rather go short than pay the price: {', '.join(basis.reluctant[:MOST_LINES])}"
            f"{' ...' if len(basis.reluctant) > MOST_LINES else ''}: loss function and crisis price do not agree there."
        )
    lines.append("  Assumed: once an event has begun its further course is known; commitments planned after it go on.")
    return lines


def _evidence(basis: Basis) -> list[str]:
    counts, worst = basis.counts, basis.worst
    return [
        f"EVIDENCE: independent audit {basis.audit_word} (largest residual "
        f"{worst.largest:.1e} {worst.unit} in {worst.family}); "
        f"{counts['scenarios']} scenarios, {counts['columns']:,} columns, {counts['rows']:,} rows, "
        f"{counts['binaries']:,} binaries; {basis.seconds:.1f} s, HiGHS {basis.highs}, feasibility tolerance {basis.tolerance:g}."
    ]
