"""The answer in full (`--full`), in words that a planner understands, with the numbers behind it; the first screen is `brief`.

Every number of an answer comes from its named records (`figures`), which the audit works out again; what is shown with them, of the
inputs and of the solve, comes from `Basis`."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..audit.figures import ORIGIN, OUTLAYS, Figures
from ..core.formats import SMALL_MUSD, amount, chance, fiscal_years, in_tonnes, musd, percent
from ..core.frames import rows_of
from ..core.stats import rounded_to_add_up
from ..model.sets import aim_in_words
from ..question.names import Names
from ..question.plan import Plan, Release
from ..world.instance import CHOSEN
from .act_now import ActNow
from .notes import Basis, floor_in_words
from .year import package_in_words


# What an answer rests on, in words: data and their range, what owners expect, evidence.
def based_on(plan: Plan, basis: Basis) -> list[str]:
    """Facts and estimates, and the widest estimates of what the plan acts on."""
    lines = [
        f"BASED ON {basis.facts:,} reported or derived rows of data and {basis.estimates:,} estimates; prices: {plan.price_set}."
    ]
    if basis.widest:
        lines.append("  The most uncertain figures that this answer depends on, with their range (more: `check`):")
    lines += [f"  {words}" for words in basis.widest]
    if basis.doubts:
        lines.append("  DOUBTFUL, check these figures before you use the answer:")
    lines += limited([f"  {doubt}" for doubt in basis.doubts])
    judged = [f"{s.name} {chance(s.probability)}" for s in plan.scenarios if s.probability > 0]
    if judged:
        lines.append(f"  Probabilities set by the planner: {', '.join(judged)}.")
    if basis.reluctant:
        lines.append(
            "  For some users the crisis price is higher than the loss assumed for going without: "
            f"{', '.join(basis.reluctant[:MOST_LINES])}{' ...' if len(basis.reluctant) > MOST_LINES else ''}. Where the loss "
            "is an estimate made of the price itself that is so by construction; elsewhere check which figure is right."
        )
    lines += [f"  Hidden by the length of periods: {words}." for words in basis.averaged]
    lines += [*control_lines(plan), *owner_lines(plan)]
    known = "once a disruption begins, everyone knows how long and how severe it will be"
    if plan.policy == "targets":
        known = "in the plan's own scenarios users and plants know how long a disruption lasts, the reserve keeps to its targets"
    lines.append(f"  Assumption: {known}; contracts due to be signed later are signed as planned.")
    return lines


def control_lines(plan: Plan) -> list[str]:
    """Measures that other countries have in force when the plan starts, and of which it is not known whether they are."""
    lines = []
    lasting = [control for control in plan.controls if control.until_year > plan.horizon.first_year]
    known = [control for control in lasting if control.in_force and control.probability is None]
    if known:
        first = plan.horizon.first_year
        text = ", ".join(f"{control.name}, for {control.until_year - first:.1f} more years" for control in known)
        lines.append(f"  In force when the plan starts: {text}.")
    if plan.ongoing:
        begun = ", ".join(f"{event.name}, since {event.start_year:.1f}" for event in plan.ongoing)
        lines.append(f"  Has begun, and nobody knows when it ends: {begun}.")
    for control in (control for control in lasting if control.probability is not None):
        taken = "in force" if control.in_force else "not in force"
        lines.append(
            f"  Not known: whether {control.name} is in force (probability {chance(control.probability or 0.0)}). This answer "
            f"takes it as {taken}; the command `controls` solves every case."
        )
    return lines


def owner_lines(plan: Plan) -> list[str]:
    """What owners of projects are taken to expect, where it is not the baseline course at their own hurdle rates."""
    owners, lines = plan.owners, []
    if owners.expectation == "scenarios":
        sampled = f"{owners.sample:,} scenarios (seed {owners.seed})"
        drawn = "the listed scenarios" if plan.sample is None else sampled
        lines.append(f"  Project owners value their plants over {drawn}, in which low prices may close them.")
    if owners.price_risk_premium > 0:
        lines.append(
            f"  Assumption: owners' hurdle rates contain a price-risk premium of {owners.price_risk_premium:.1%}; a price floor "
            "removes part of it."
        )
    return lines


def evidence_lines(basis: Basis) -> list[str]:
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


# Where the reserve's purchases come from, in words: countries as declared.
SMALL = 0.01
"""Share of all purchases below which countries are counted, not named."""


def origin_of_purchases(figures: Figures, names: Names) -> list[str]:
    """A line for the summary; none where nothing is bought."""
    by_country: dict[str, float] = {}
    for item, paid in figures.items("bought_from_musd").items():
        country = item.partition(ORIGIN)[2]
        by_country[country] = by_country.get(country, 0.0) + paid
    total = sum(by_country.values())
    if total <= 0:
        return []
    parts = sorted(by_country.items(), key=lambda pair: -pair[1])
    large = [(country, paid) for country, paid in parts if paid >= SMALL * total]
    shares = [f"{names.country(country) or 'origin not published'} {paid / total:.0%}" for country, paid in large]
    rest = len(parts) - len(large)
    shares += [f"{rest} more below {SMALL:.0%}"] * (rest > 0)
    return [f"  Origin of these purchases as declared, by cost: {', '.join(shares)}"]


WORST = 3
"""Scenarios that a summary describes."""


def summarise(figures: Figures, plan: Plan, basis: Basis) -> str:
    """The plan as text: the verdict, what to do, what it protects, what remains at risk, what it is based on."""
    sections = [
        _verdict(figures, plan, basis),
        _first(basis),
        _buy(figures, basis),
        _support(basis),
        _guarantee(plan, basis),
        _contracts(basis),
        _money(figures, plan, basis),
        _protection(figures, basis),
        _value(figures, basis),
        based_on(plan, basis),
        [*evidence_lines(basis), *_in_sample(figures, basis)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


ROUND_MUSD = 100.0
"""Million USD from which on a bound is given in whole millions."""


def _verdict(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    title = plan.title or plan.name
    if basis.act_now is not None and not basis.act_now.why_not and not basis.relaxed:
        return [
            title,
            *verdict(basis.act_now, plan.price_year, foreseen=basis.release is None),
            f"Loss function: {plan.loss_function} ({plan.loss_level}); {_other_losses(basis)}.",
            *(f"The losses are higher than what was seen allows for: {text}." for text in basis.replayed),
            *in_own_money(plan, basis, figures, basis.act_now),
        ]
    return [title, *_solved(figures, plan, basis), *([] if basis.relaxed else in_own_money(plan, basis, figures, None))]


def _first(basis: Basis) -> list[str]:
    """What waiting costs and leaving out; why that is not known, where no sample could test the plan."""
    if basis.act_now is None or basis.relaxed:
        return []
    return untested(basis.act_now) if basis.act_now.why_not else _without(basis.act_now, basis.names)


def _in_sample(figures: Figures, basis: Basis) -> list[str]:
    """What the search says of its own scenarios, where other samples lead the answer."""
    if basis.act_now is None or basis.act_now.why_not or basis.relaxed:
        return []
    return [
        f"  In its own {basis.counts['scenarios']:,} scenarios the plan is worth {musd(figures.value('worth_musd'))} M and "
        f"loses {musd(figures.value('expected_loss_musd'))} M instead of {musd(figures.value('expected_loss_without_musd'))} M. "
        f"{_proof(figures, basis)}."
    ]


def _solved(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    """What the solve says of the plan's own scenarios."""
    if basis.relaxed:
        return [
            "LINEAR RELAXATION: a bound on what any plan can achieve. It is not a plan to carry out.",
            _relaxed(figures, plan, basis),
        ]
    avoided = figures.value("expected_loss_without_musd") - figures.value("expected_loss_musd")
    begin = "The"
    if basis.act_now is not None and basis.act_now.lived:
        begin = "By its own aim and in its own scenarios the"
        if not basis.act_now.fresh:
            begin = "If the course of each disruption were known once it begins, the"
    return [
        *_stages(figures, plan),
        f"{begin} plan is worth {round(figures.value('worth_musd')):,} million USD (M) net compared with doing nothing "
        f"({plan.price_year} money, discounted, expected). {_proof(figures, basis)}.",
        f"It avoids {avoided:,.0f} M of expected shortage losses. Loss function: {plan.loss_function} ({plan.loss_level}); "
        f"{_other_losses(basis)}.",
        *(f"The losses are higher than what was seen allows for: {text}." for text in basis.replayed),
    ]


def _proof(figures: Figures, basis: Basis) -> str:
    """How close the search came to the best plan in the plan's own scenarios."""
    gap, bound = f"{figures.value('gap_share'):.2%}", figures.value("bound_musd")
    several = len(figures.items("stage_difference_musd")) > 1
    kept = " that keeps the earlier aims" * several
    kept += " that keeps the constraints added to it" * (basis.extended == "rules")
    among = " among plans that keep the constraints added to it" * (basis.extended == "rules")
    if basis.extended == "settled":
        return "Its decisions were settled beforehand, so that there is no bound: operations alone were searched"
    if basis.extended == "terms" and basis.reason in ("optimal", "within_gap"):
        return (
            f"Best for its worth and the terms of own code together, within {gap}: of its worth alone no bound is known"
        )
    proof = {
        "optimal": f"Proven best in its scenarios{among}, within {gap}",
        "within_gap": f"Proven: in its scenarios no plan{kept} is worth more than {_most(figures.value('worth_musd'), -bound)} M "
        f"(gap {gap} of the larger of worth and budget)",
        "stalled": f"NOT proven best: the solver gave no answer in part of the search, which ended at a gap of {gap}",
        "time_limit": f"NOT proven best: stopped by the time limit at a gap of {gap}",
        "interrupted": f"NOT proven best: interrupted at a gap of {gap}",
    }.get(basis.reason, basis.reason)
    return f"{proof} for the last aim" if several else proof


def _most(worth: float, most: float) -> str:
    """A bound in as many figures as tell it from what it bounds, where they differ."""
    alike = round(worth) == round(most) and abs(worth - most) >= SMALL_MUSD
    return musd(most) if alike and abs(most) < ROUND_MUSD else f"{round(most):,}"


def _relaxed(figures: Figures, plan: Plan, basis: Basis) -> str:
    """What a relaxation bounds: its first aim; a later one is minimised where the relaxation keeps the first, which no plan may."""
    bounds = figures.items("stage_bound_musd")
    if len(bounds) > 1:
        first = next(iter(bounds))
        least = f"{bounds[first]:+,.4g} million USD compared with doing nothing (discounted)"
        return f"No plan's {aim_in_words(plan, first)} is lower than {least}."
    if basis.extended == "terms":
        return "It bounds worth and the terms of own code together: of the worth alone no bound is known."
    worth = -figures.value("bound_musd")
    return f"No plan is worth more than {worth:,.0f} million USD compared with doing nothing ({plan.price_year} money, discounted)."


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
    lines = ["Aims in order; each is kept while the next one is optimised:"]
    tail = "" if plan.horizon.tail_years == 0 else ", including the years computed after the planned ones"
    for n, (name, difference) in enumerate(differences.items()):
        reached = figures.value("stage_with_musd", name)
        total = STAGES[name].format(total=reached, tail=tail, aim=aim_in_words(plan, name))
        more = f"{abs(difference):,.4g} {'more' if difference > 0 else 'less'} than doing nothing"
        if abs(difference) < SMALL_MUSD:
            more = "the same as doing nothing"
        counted = ", including penalties" if penalties > SMALL_MUSD else ""
        others = "No plan that keeps the earlier aims" if n else "No plan"
        bound = f"{figures.value('stage_bound_musd', name):+,.4g} compared with doing nothing"
        lines.append(f"  {total}, {more}{counted}. {others} does better than {bound}.")
    if penalties > SMALL_MUSD:
        lines.append(
            f"  Every aim includes penalties of {penalties:,.4g} million USD for broken soft rules. Nobody pays them."
        )
    return lines


def _other_losses(basis: Basis) -> str:
    """How far other named loss functions are from the plan's own."""
    (least, lowest), (most, highest) = basis.other_losses
    if most <= 1.01 and least >= 0.99:
        return "no other loss estimate in the tables differs"
    low = f"{least:.2g} times ({basis.names.material(lowest)})" if least < 0.99 else "1 times"
    high = f"{most:,.3g} times ({basis.names.material(highest)})" if most > 1.01 else "1 times"
    return f"other published loss estimates range from {low} to {high} the values used here"


def _buy(figures: Figures, basis: Basis) -> list[str]:
    tonnes, cost = figures.items("bought_t"), figures.items("bought_musd")
    if not tonnes:
        return ["BUY: nothing for the reserve."]
    lines, stock = [], basis.tables["stock"]
    bought = basis.tables["acquisitions"].groupby("material").fiscal_year
    for material in sorted(tonnes, key=lambda name: -cost[name]):
        days = figures.items("peak_stock_days").get(material)
        cover = "" if days is None else f" ({days:,.0f} days of cover)"
        first, last = bought.min()[material], bought.max()[material]
        years = fiscal_years(first, last)
        held = stock[stock.material == material]
        peak = held.fiscal_year.iloc[int(held.stock_t.argmax())]
        name = basis.names.material(material)
        lines.append(
            f"  {name}: {in_tonnes(tonnes[material])} in {years} for {cost[material]:,.1f} M; largest stock "
            f"{in_tonnes(figures.value('peak_stock_t', material))} in FY{peak}{cover}; "
            f"expected purchases over all scenarios {in_tonnes(figures.value('bought_expected_t', material))}"
        )
    calm = f"{chance(figures.value('undisturbed_probability'))} chance that none occurs over the plan"
    head = f"BUY for the reserve while no disruption occurs ({calm}):"
    if basis.release is not None:
        head = "HOLD for the reserve: targets for every future, which these purchases reach:"
    return [head, *limited(lines), *origin_of_purchases(figures, basis.names), *_release(basis)]


def _release(basis: Basis) -> list[str]:
    """What a storekeeper does in an event and after it."""
    rule = basis.release
    if rule is None:
        return []
    kept = [f"{rule.this_event:g} times what dearer uses would lack in the expected rest of it"] * (rule.this_event > 0)
    kept += [f"what new disruptions would take from them in {rule.new_events_yr:g} years"] * (rule.new_events_yr > 0)
    then = f"; each other use gets what is left beyond {' and '.join(kept)}" if kept else ", then the next"
    share = "" if rule.refill_share == 1 else f" to {rule.refill_share:.0%} of it"
    sold = ""
    if rule.sell_above is not None and rule.sell_share > 0:
        sold = (
            f" Where the price in a shortage is {rule.sell_above:g} times what the stock has cost or more, the reserve also sells "
            f"{rule.sell_share:.0%} of what is beyond all these needs."
        )
    return [
        f"  In a disruption the dearest use gets all that it lacks{then}.{sold} After it the stock is filled up{share} again, as "
        "far as offers and money reach.",
        *_left_aside(basis),
        *_other_rules(basis),
    ]


def _other_rules(basis: Basis) -> Iterator[str]:
    """The rule of release that new scenarios find better than the plan's own, and the usual one where it is worse."""
    rules, usual = pd.DataFrame() if basis.act_now is None else basis.act_now.rules, Release()
    if rules.empty:
        return
    for row in rows_of(rules.sort_values("gain_musd", ascending=False, kind="stable").head(1)):
        if row.gain_low_musd > 0:
            between = f"{musd(row.gain_low_musd)} to {musd(row.gain_high_musd)}"
            yield (
                f"  Another rule is worth {musd(row.gain_musd)} M more ({between}): [release] "
                f"this_event = {row.this_event:g}, new_events_yr = {row.new_events_yr:g}, refill_share = {row.refill_share:g}."
            )
    for row in rows_of(rules[(rules.this_event == usual.this_event) & (rules.new_events_yr == usual.new_events_yr)]):
        if row.refill_share == usual.refill_share and row.gain_musd < -2 * row.gain_error_musd:
            named = f"this_event = {usual.this_event:g}, new_events_yr = {usual.new_events_yr:g}"
            yield f"  The usual rule ({named}) is worth {musd(-row.gain_musd)} M less."


def _left_aside(basis: Basis) -> list[str]:
    """What stays in the store for dearer needs before a use gets all that it lacks, by mineral."""
    table = pd.DataFrame() if basis.act_now is None else basis.act_now.release
    parts: dict[tuple[str, str], dict[float, list[str]]] = {}
    for row in rows_of(table):
        of = parts.setdefault((str(row.hazard), str(row.material)), {})
        of.setdefault(float(row.aside_t), []).append(str(row.segment))
    lines, held = [], basis.tables["stock"].groupby("material").stock_t.max()
    for (hazard, material), uses in parts.items():
        texts = []
        for aside, who in sorted(uses.items()):
            beyond = " (more than is ever held)" if aside > held.get(material, 0.0) else ""
            texts.append(
                f"{' and '.join(who)} {'first' if aside <= 0 else f'in full once {amount(aside)} t are left aside{beyond}'}"
            )
        lines.append(f"  {basis.names.material(material)}, in '{basis.names.hazard(hazard)}': {'; '.join(texts)}")
    return limited(lines)


def _support(basis: Basis) -> list[str]:
    projects = basis.tables["projects"]
    signed = projects[projects.share > CHOSEN]
    closing = f"  Home producers that close without any event: {', '.join(basis.closes)}."
    later = [closing] * bool(basis.closes) + [f"  {text}." for text in basis.unsure]
    if signed.empty:
        return ["SUPPORT: no project.", *later]
    lines: list[str] = []
    unsupported: dict[str, list[str]] = {}
    signed = signed.assign(cost=signed.support_cost_musd + signed.offtake_fees_musd)
    for row in rows_of(signed.sort_values("cost", ascending=False, kind="stable")):
        project = basis.names.producer(row.project)
        if row.baseline and row.package == "none":
            why = "Committed before this plan" if row.committed else "Expected to be built without support (baseline)"
            unsupported.setdefault(why, []).append(project)
            continue
        share = "" if row.share > 1 - CHOSEN else f" ({row.share:.0%} of it)"
        lines.append(
            f"  {project}{share}: {package_in_words(row, basis.names)}; signed FY{row.signed}, first output "
            f"FY{row.first_output}; cost to the budget {row.cost:,.1f} M"
        )
    return [
        "SUPPORT these projects:" if lines else "SUPPORT: no project.",
        *limited(lines),
        *(f"  {why}: {', '.join(names)}" for why, names in unsupported.items()),
        *later,
        f"  Not supported: {(projects.share <= CHOSEN).sum()} of {projects.project.nunique()} projects (table projects).",
    ]


def _guarantee(plan: Plan, basis: Basis) -> list[str]:
    floors = basis.tables["floors"]
    gone, others = [f"  {text}" for text in basis.floors_gone], [f"  {text}" for text in basis.out_of_reach]
    others = ["", "OUT OF REACH:", *limited(others)] if others else []
    if floors.empty and not basis.floors_asked:
        return others[1:]
    if floors.empty and len(gone) == basis.floors_asked:
        return ["GUARANTEE: none of the plan's price floors can be chosen:", *limited(gone), *others]
    if floors.empty:
        which = "no price floor that can be chosen and" if gone else "no price floor"
        allowed = "the appropriations allow"
        if plan.budget.liability_cap_musd is not None:
            allowed = "the appropriations and the liability cap allow"
        proven = basis.reason in ("optimal", "within_gap")
        worth = "makes the plan better, to within the gap" if proven else "was found to be worth its cost"
        return [f"GUARANTEE: {which} that {allowed} {worth}.", *limited(gone), *others]
    lines = []
    for row in rows_of(floors):
        inversion = "; WARNING: products that contain it escape the tariff" if row.tariff_inversion else ""
        paid = f"expected cost {row.expected_cost_musd:,.1f} M"
        if row.expected_cost_musd < 0:
            paid = f"expected to return {-row.expected_cost_musd:,.1f} M more in claw-back than it pays out"
        who, material = floor_in_words(row, basis.names)
        lines.append(
            f"  {who}: {material} at {row.level_usd_per_kg:g} USD/kg for {row.term_yr:g} years from FY{row.start}; {paid} within "
            f"the horizon, {row.terminal_liability_musd:,.1f} M after it{inversion}"
        )
    return [
        "GUARANTEE price floors:",
        *lines,
        "  Costs are averaged over states of the price, which close no plant here (prices in scenarios may), so floors look "
        "slightly more expensive than they are.",
        *limited(gone),
        *others,
    ]


def _contracts(basis: Basis) -> list[str]:
    lines = [
        f"  {basis.names.producer(row.activity)}: {in_tonnes(row.contract_t_per_yr)} a year from FY{row.start} for {row.term_yr:g} "
        f"years; fees {row.fees_musd:,.2f} M over its term"
        for row in rows_of(basis.tables["contracts"].sort_values("fees_musd", ascending=False, kind="stable"))
    ]
    head = "SIGN contracts for deliveries in a crisis (offtake) with allied producers:"
    return [head, *limited(lines)] if lines else []


def _money(figures: Figures, plan: Plan, basis: Basis) -> list[str]:
    by_year, given = figures.items("outlay_by_year_musd"), figures.total("appropriation_by_year_musd")
    peak = max(by_year, key=lambda year: by_year[year])
    most = plan.budget.total_musd
    allowed = f"{given:,.0f} M appropriated" if most is None or most >= given else f"{most:,.0f} M allowed in all"
    recycled = figures.value("sales_musd") * plan.budget.revolving
    net = f" ({musd(figures.total('outlay_by_year_musd') - recycled)} net of sales)" if recycled > SMALL_MUSD else ""
    allowed += f" for {fiscal_years(min(by_year), max(by_year))}"
    spent = f"{musd(figures.total('outlay_by_year_musd'))} M{net} of the {allowed}"
    lines = [f"MONEY: the plan spends {spent}; most in FY{peak} ({musd(by_year[peak])} M)."]
    if basis.act_now is not None and len(basis.act_now.money_by_year):
        *years, whole = rows_of(basis.act_now.money_by_year)
        most_in = max(years, key=lambda row: row.expected_musd)
        lines = [
            f"MONEY as lived: {musd(whole.expected_musd)} M of the {allowed} on average, "
            f"{musd(whole.low_musd)} to {musd(whole.high_musd)} M in nine of ten futures; most in FY{most_in.fiscal_year} "
            f"({musd(most_in.expected_musd)} M; {musd(most_in.low_musd)} to {musd(most_in.high_musd)} M).",
            f"  If nothing happens, it spends {musd(figures.total('outlay_by_year_musd'))} M.",
        ]
    paid = figures.items("outlay_musd")
    words = {line: line.replace("_", " ").replace("top ups", "top-ups") for line in OUTLAYS}
    parts = [f"{words[line]} {musd(paid[line])}" for line in OUTLAYS if paid[line] > SMALL_MUSD]
    sales = figures.value("sales_musd")
    returned = f" Disposals return {musd(sales)} M to the treasury." if sales > SMALL_MUSD else ""
    lines.append(f"  By budget line [M]: {', '.join(parts) or 'nothing'}.{returned}")
    return lines


def _there(basis: Basis) -> str:
    """Of which scenarios a figure is, where new ones lead the answer."""
    if basis.act_now is None or not basis.act_now.lived:
        return ""
    return " in the plan's own scenarios" if basis.act_now.fresh else ", were each disruption's course known"


def _protection(figures: Figures, basis: Basis) -> list[str]:
    without, loss, likely = figures.items("loss_without_musd"), figures.items("loss_musd"), figures.items("probability")
    if not any(value > 0 for value in without.values()):
        return ["PROTECTS: no scenario of this plan has a shortage.", *_inside_goods(figures, basis)]
    before, after = figures.value("expected_loss_without_musd"), figures.value("expected_loss_musd")
    lines = [f"PROTECTS: expected shortage losses fall from {musd(before)} M to {musd(after)} M{_there(basis)}."]
    lines.append("  What remains at risk, the worst scenarios first:")
    harmful = [name for name in loss if max(loss[name], without[name]) > SMALL_MUSD]
    for name in sorted(harmful, key=lambda scenario: -loss[scenario])[:WORST]:
        lines.append(
            f"  {basis.scenarios.get(name, name)}: probability {percent(likely[name])}, loss {musd(loss[name])} M "
            f"({musd(without[name])} M without the plan)"
        )
    if basis.peace:
        lines.append(f"  Users lack without any event: {'; '.join(basis.peace[:MOST_LINES])}.")
    if basis.tied:
        lines.append(f"  {'; '.join(basis.tied[:MOST_LINES])}.")
    return [*lines, *_inside_goods(figures, basis)]


def _inside_goods(figures: Figures, basis: Basis) -> list[str]:
    """The loss of what comes inside imported goods, in a line of its own: the plan does not change it."""
    lost = figures.value("embedded_loss_musd")
    if lost <= SMALL_MUSD:
        return []
    counted = "not counted above, nor in risk measures" if basis.embedded else "counted above, as the plan asks"
    return [
        f"  Materials inside imported goods: expected losses of {musd(lost)} M with the plan or without it, {counted}. "
        "Neither a stock nor a plant at home can prevent them."
    ]


def _value(figures: Figures, basis: Basis) -> list[str]:
    """Split of what the plan is worth: shortages avoided, and the rest."""
    net = figures.value("worth_musd")
    penalties, risk = figures.value("penalties_musd"), figures.value("risk_charge_musd")
    users, government = figures.value("users_musd"), figures.value("authority_musd")
    bill = figures.value("bill_saved_musd")
    parts = [
        (figures.value("shortage_avoided_musd"), "shortage losses avoided (the loss of a tonne includes its price)"),
        (users, "paid by users for the supply that they now get" if users <= 0 else "saved by users on their supply"),
        (
            government,
            f"{'paid' if government <= 0 else 'gained'} by the government, net: spending, less sales and the value of what is left",
        ),
    ]
    imports = "saved on imports, whose price the plan lowers"
    if bill <= 0:
        imports = "paid more for imports, as own buying raises prices"
    parts += [(bill, imports)] * (abs(bill) >= 0.5)
    fined = "penalties for broken soft rules and targets not filled, which nobody pays"
    parts += [(-penalties, fined)] * (penalties >= 0.5)  # less is printed as nothing
    parts += [(risk, "the weight on very large losses (CVaR)")] * (abs(risk) > SMALL_MUSD)
    values = [value for value, _ in parts]
    printed = rounded_to_add_up(net, values, 0) or [float(round(value)) for value in values]
    lines = [f"WHERE THE VALUE COMES FROM: {round(net):,} M{_there(basis)}, the sum of"]
    lines += [f"  {value:+,.0f} M {words}" for value, (_, words) in zip(printed, parts, strict=True)]
    return [*lines, *_drifts(figures, basis), *_left(figures)]


def _drifts(figures: Figures, basis: Basis) -> list[str]:
    """Drifts of prices while stock is held."""
    drifts = figures.items("price_drift_share")
    moved = [f"{basis.names.material(m)} ({change:+.0%})" for m, change in drifts.items() if abs(change) > 0.01]
    # part of their worth is that drift
    return [f"  PRICE CHANGE while in stock, without a disruption: {', '.join(moved)}."] if moved else []


def _left(figures: Figures) -> list[str]:
    """What is credited at the end of the horizon."""
    stock, life = figures.value("salvage_musd"), figures.value("residual_musd")
    if abs(stock) + abs(life) <= 1:
        return []
    return [f"  Credited at the end of the horizon: stock {musd(stock)} M, remaining life of projects {musd(life)} M."]


# What samples say of a plan and of its first years, in the words of a summary.
MOST_LINES = 12
"""Lines of a section before the rest is counted."""


def verdict(of: ActNow, price_year: int, *, foreseen: bool) -> list[str]:
    """Worth, true gap and losses. foreseen: each disruption's course is known once it has begun."""
    how = "each known once a disruption begins" if foreseen else "that nobody foresees"
    confidence = f"{of.figure('confidence'):.0%}"
    tested = int(of.figure("samples") * of.figure("scenarios"))
    return [
        f"The plan is worth {musd(of.figure('worth_musd'))} million USD (M) net compared with doing nothing, lived through "
        f"{tested:,} new scenarios {how} ({confidence} interval {_interval(of, 'worth')}; {price_year} money, "
        "discounted, expected).",
        *_band(of),
        _gap(of),
        f"Expected shortage losses are {musd(of.figure('loss_musd'))} M instead of {musd(of.figure('loss_without_musd'))} M "
        f"({confidence} interval {_interval(of, 'loss')}).",
    ]


def _band(of: ActNow) -> list[str]:
    """The worth under other losses and beliefs, which no draw of scenarios tells."""
    if of.band.empty:
        return []
    ordered = list(rows_of(of.band.sort_values("worth_musd", kind="stable")))
    low, high = ordered[0], ordered[-1]
    losses, beliefs = of.band.loss.nunique(), of.band.belief.nunique()
    return [
        f"That interval is for the draw of scenarios alone. Over {losses} loss{'es' * (losses != 1)} and {beliefs} "
        f"belief{'s' * (beliefs != 1)} the plan is worth "
        f"{musd(low.worth_musd)} M ({low.loss}, belief {low.belief}) to {musd(high.worth_musd)} M ({high.loss}, belief "
        f"{high.belief}); `regret` looks for the plan that loses least under any of them."
    ]


def untested(of: ActNow) -> list[str]:
    """Why no gap of the sample is claimed, and what the plan is worth in new scenarios all the same."""
    if of.lived and not of.fresh:
        return [
            f"Lived through its own scenarios, whose course it does not know, the plan is worth {musd(of.figure('worth_musd'))} M; "
            f"expected losses are {musd(of.figure('loss_musd'))} M instead of {musd(of.figure('loss_without_musd'))} M."
        ]
    lines = [f"No gap of the sample is claimed: {of.why_not}."]
    if of.figure("tried") > 0:
        lines.append(
            f"In {int(of.figure('tried')):,} new scenarios the plan is worth {musd(of.figure('worth_musd'))} M "
            f"({of.figure('confidence'):.0%} interval {_interval(of, 'worth')}); expected losses are "
            f"{musd(of.figure('loss_musd'))} M ({_interval(of, 'loss')}) instead of {musd(of.figure('loss_without_musd'))} M."
        )
    return lines


def _gap(of: ActNow) -> str:
    """The true gap in a sentence."""
    limit, mean, count = of.figure("gap_limit_musd"), of.figure("gap_musd"), int(of.figure("searched"))
    if mean < 0:
        return (
            f"The true gap is not known: in {count} samples the plan costs {musd(-mean)} M less than what every plan is said to "
            "cost at least. Such samples are not to be trusted."
        )
    return (
        f"True gap, in the model that made the plan: none is worth over {musd(limit)} M more, {of.figure('gap_share'):.1%} of this "
        f"one ({of.figure('confidence'):.0%} confidence; {musd(mean)} M on average of {count} samples, standard error "
        f"{musd(of.figure('gap_error_musd'))})."
    )


IN_WORDS = {1: "one year", 2: "two years", 3: "three years"}


def _without(of: ActNow, names: Names) -> list[str]:
    """What waiting costs, and leaving out what goes together."""
    rows = of.left_out
    if rows.empty:
        return []
    shown = [name for name in rows.columns if name.endswith("_musd")]
    rows = rows.assign(**{name: of.whole * rows[name] for name in shown})
    waits = [
        f"{IN_WORDS[int(row.years)]} {'leaves no plan that keeps the rules' if row.why_not else _loses(row)}"
        for row in rows_of(rows[rows.kind == "wait"])
    ]
    lines = [f"WAIT: doing nothing new for {'; '.join(waits)}."] if waits else []
    parts = rows[rows.kind != "wait"]
    if len(parts):
        lines.append("LEAVE OUT, the plan made again without:")
    order = parts.sort_values("cost_musd", ascending=False, kind="stable", na_position="first")
    found = []
    for row in rows_of(order):
        item = names.material(str(row.item)) if row.kind == "mineral" else str(row.item)
        what = f"all {item}" if row.kind in ("mineral", "instrument") else "all that costs little, together"
        if row.why_not:
            found.append(f"  {what}: no such plan keeps the rules")
            continue
        instead = f"; instead more of {row.instead}" if row.instead and not row.needed else ""
        less = f"; {musd(row.spends_less_musd)} M less spent at first" if row.spends_less_musd >= SMALL_MUSD else ""
        found.append(f"  {what}: {_loses(row)}{less}{instead}")
    return [*lines, *limited(found)]


def _loses(row: Any) -> str:
    """What leaving out costs, with its interval."""
    between = f"({musd(row.cost_low_musd)} to {musd(row.cost_high_musd)})"
    if row.needed:
        return f"costs {musd(row.cost_musd)} M {between}"
    if row.cost_high_musd < 0:
        return f"gains {musd(-row.cost_musd)} M ({musd(-row.cost_high_musd)} to {musd(-row.cost_low_musd)})"
    return f"is not shown to cost anything: {musd(row.cost_musd)} M {between}"


def limited(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], f"  ... and {rest} more in the tables"]


def _interval(of: ActNow, name: str) -> str:
    return f"{musd(of.figure(f'{name}_low_musd'))} to {musd(of.figure(f'{name}_high_musd'))}"


# The home's own money and figures, in words.
USD = "USD"
DIGITS = 3


def in_own_money(plan: Plan, basis: Basis, figures: Figures, act_now: ActNow | None) -> list[str]:
    """Worth, losses and spending in the home's currency; nothing where that is the dollar or its rate is not known."""
    currency, per_usd, year = basis.home or (USD, 1.0, 0)
    if currency == USD or math.isnan(per_usd):
        return []
    worth = act_now.figure("worth_musd") if act_now is not None and act_now.lived else figures.value("worth_musd")
    spent, given = figures.total("outlay_by_year_musd"), figures.total("appropriation_by_year_musd")
    most = given if plan.budget.total_musd is None else min(given, plan.budget.total_musd)
    allowed = f"{_local(most * per_usd)} {'allowed in all' if most < given else 'appropriated'}"
    return [
        f"In {currency} (million, {per_usd:,.6g} to the dollar in {year}): worth {_local(worth * per_usd)}, spends "
        f"{_local(spent * per_usd)} of {allowed}."
    ]


def _local(value: float) -> str:
    size = 10 ** max(0, math.floor(math.log10(abs(value))) + 1 - DIGITS) if value else 1
    return f"{round(value / size) * size:,.0f}"
