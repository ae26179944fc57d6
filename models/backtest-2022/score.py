"""What happened, and what every plan was worth in it: loss avoided + mark to market + sales - cost, under each loss function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import episode as ep
import numpy as np
from plan import POINTS, Answer, Entry, Order, Sale, Terms, execute, orders_of, terms_of
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack
from scipy.stats import binom

from strategic_minerals.core.names import country_codes
from strategic_minerals.core.shipped import shipped
from strategic_minerals.data.csv_files import load_dataset

CASES = ("low", "central", "high")
CENTRAL = 1
Ends = tuple[float, float, float]
"""Low, central, high."""
MARKET_COST = "market_cost"
"""The function that needs no damage model: the price of the quarter less the price at the freeze."""
STATIC, ROLLING, FORESIGHT = "plan, static", "plan, rolling", "perfect foresight"
PLANS = (STATIC, ROLLING)

Rows = dict[str, list[dict[str, Any]]]
"""Table -> its rows."""

# --- what happened ------------------------------------------------------------------------------------------------------


@cache
def inputs() -> dict[str, ep.Row]:
    """Material -> its row of the score inputs."""
    return {row.material: row for row in ep.rows_of("score_inputs")}


@cache
def realised(material: str) -> list[ep.Row]:
    """Rows of what happened to a material."""
    return [row for row in ep.rows_of("realised") if row.material == material]


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


@cache
def price_ends(material: str, quarter: int) -> Ends | None:
    """Price of a quarter [USD/kg]: the mean of quotes that lie within it, else the annual mean, else the price at the end, of which
    only a range is known; None for a material without score inputs."""
    return _quoted(material, quarter) or _annual(material, quarter) or end_price(material)


def _quoted(material: str, quarter: int) -> Ends | None:
    """Quotes of the controlling countries' own markets are left out."""
    codes = suppliers(material)
    words = [*(re.escape(name) for name, code in country_codes().items() if code in codes), *sorted(codes)]
    inside = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    values = [
        (row.value_low or row.value, row.value, row.value_high or row.value)
        for row in realised(material)
        if row.metric == "price"
        and row.frequency in ("monthly", "quarterly", "date")
        and row.value is not None
        and row.period_start is not None
        and ep.quarter_of(row.period_start) == quarter
        and (row.period_end is None or ep.quarter_of(row.period_end) == quarter)
        and not (codes and inside.search(row.market))
    ]
    if not values:
        return None
    return min(v[0] for v in values), fmean(v[1] for v in values), max(v[2] for v in values)


def _annual(material: str, quarter: int) -> Ends | None:
    """The annual mean of the quarter's year; none is known after the third year."""
    row, ahead = inputs().get(material), quarter // ep.PER_YEAR - ep.FREEZE.year
    known = () if row is None else (row.price_freeze_usd_per_kg, row.price_y1, row.price_y2, row.price_y3)
    return (known[ahead],) * 3 if ahead < len(known) else None


def end_price(material: str) -> Ends | None:
    """The price at the end of the play."""
    row = inputs().get(material)
    if row is None or row.price_end_usd_per_kg is None:
        return None
    value = row.price_end_usd_per_kg
    return _or(row.price_end_low, value), value, _or(row.price_end_high, value)


def control_day(material: str) -> Any:
    """The day on which a control took effect; None: none did. It is taken to stay."""
    row = inputs().get(material)
    return None if row is None else row.control_in_force


@cache
def suppliers(material: str) -> frozenset[str]:
    """Countries whose controls took effect on the material's day."""
    day = control_day(material)
    rows = ep.rows_of("realised") if day is not None else ()
    found = {ep.supplier_of(row) for row in rows if row.metric.startswith("control:") and row.period_start == day}
    return frozenset(code for code in found if re.fullmatch(r"[A-Z]{3}", code) and code != ep.HOME)


@dataclass(frozen=True)
class RealisedMarket:
    """Prices and controls of one end of what is known."""

    case: int

    def price(self, material: str, quarter: int) -> float | None:
        """USD/kg."""
        ends = price_ends(material, quarter)
        return None if ends is None else ends[self.case]

    def closed(self, material: str, quarter: int, terms: Terms) -> float:
        """Share of the offers that the controlling countries make, by days in force; where no row names one, the largest."""
        day, shares = control_day(material), terms.shares
        if day is None:
            return 0.0
        codes = suppliers(material) or {max(sorted(shares), key=lambda code: shares[code])}
        return min(
            1.0, sum(shares.get(code, 0.0) for code in codes) * ep.share_within(quarter, day, ep.END + 400 * ep.ONE_DAY)
        )


def attributed(material: str) -> Ends | None:
    """Tonnes lost to the control; None: a gap."""
    row = inputs().get(material)
    if row is None or row.loss_t_attributed is None:
        return None
    value = row.loss_t_attributed
    return _or(row.loss_t_low, value), value, _or(row.loss_t_high, value)


@cache
def releasable() -> dict[tuple[str, int], Ends]:
    """(material, quarter) -> tonnes lost that a reserve may release: from the quarter after the control took effect on."""
    return {
        (material, quarter): ends
        for material in inputs()
        for quarter, ends in _spread(material).items()
        if control_day(material) is not None and quarter > ep.quarter_of(control_day(material))
    }


def _spread(material: str) -> dict[int, Ends]:
    """Quarter -> attributed tonnes, by the shortfall of the quarterly availability within their window; by days without one."""
    total, day = attributed(material), control_day(material)
    spans = [row for row in realised(material) if row.metric == "tonnes lost to the control (attributed)"]
    spans = [(row.period_start, row.period_end) for row in spans if row.period_start and row.period_end]
    window = spans[0] if spans else None if day is None else (day, ep.END)
    if total is None or window is None or max(total) <= 0:
        return {}
    quarters = range(ep.quarter_of(window[0]), ep.quarter_of(window[1]) + 1)
    weights = {q: ep.share_within(q, *window) * _shortfall(material, q) for q in quarters}
    if sum(weights.values()) <= 0:
        weights = {q: ep.share_within(q, *window) * (ep.first_day(q + 1) - ep.first_day(q)).days for q in quarters}
    whole = sum(weights.values())
    return {q: tuple(end * w / whole for end in total) for q, w in weights.items() if w > 0}


def _shortfall(material: str, quarter: int) -> float:
    """What was missing of normal in a quarter; a quarter without a row counts as none."""
    for row in realised(material):
        quarterly = row.metric == "availability share of normal (quarterly)" and row.value is not None
        if quarterly and ep.quarter_of(row.period_start) == quarter == ep.quarter_of(row.period_end):
            return max(0.0, 1 - row.value)
    return 0.0


# --- loss functions -----------------------------------------------------------------------------------------------------


@cache
def loss_values() -> tuple[tuple[str, ...], dict[tuple[str, str], Ends]]:
    """Names of the package's functions, and (function, material) -> USD/t in money of the first year of purchases.

    They score and never plan. A row that stands in for another function's is a gap.
    """
    data, money_year = load_dataset(shipped("inputs"), ep.HOME), ep.FREEZE.year + 1
    index = {row.money_year: row.price_index for row in data.rows("deflators")}
    rows = list(data.rows("loss_functions"))
    values = {}
    for row in rows:
        if row.segment == "*" and "no figure under this function" not in row.note:
            value = row.loss_usd_per_t
            factor = index[money_year] / index[row.money_year or money_year]
            ends = _or(row.loss_usd_per_t_low, value), value, _or(row.loss_usd_per_t_high, value)
            values[row.loss_function, row.material] = tuple(end * factor for end in ends)
    return tuple(dict.fromkeys(row.loss_function for row in rows)), values


def functions() -> tuple[str, ...]:
    """Every function, the market cost last."""
    return (*loss_values()[0], MARKET_COST)


def value_of(function: str, material: str, quarter: int, case: int) -> float | None:
    """USD per tonne released in a quarter; None: the function has no value of its own for the material."""
    if function != MARKET_COST:
        ends = loss_values()[1].get((function, material))
        return None if ends is None else ends[case]
    price, row = price_ends(material, quarter), inputs()[material]
    return None if price is None else (price[case] - row.price_freeze_usd_per_kg) * ep.KG_PER_T


# --- accounts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """One plan and material at one end."""

    material: str
    covered_t: float
    bought_t: float
    spent_musd: float
    unspent_musd: float
    cost_musd: float
    """Purchases and holding, carried to the end."""
    sales_musd: float
    left_t: float
    market_ends: Ends
    """Mark to market at the low, central and high price of the end."""
    avoided_musd: Mapping[str, float | None]
    """Function -> loss avoided; None: a gap."""

    @property
    def market_musd(self) -> float:
        """Mark to market at the central price of the end."""
        return self.market_ends[CENTRAL]

    def net(self, function: str, end: int = CENTRAL) -> float:
        """Loss avoided + mark to market + sales - cost; a gap counts as nothing avoided. end: of the market."""
        return (self.avoided_musd[function] or 0.0) + self.market_ends[end] + self.sales_musd - self.cost_musd


def carried(quarter: int) -> float:
    """What a dollar of a quarter is at the end, at the discount rate of the freeze."""
    return float((1 + ep.DISCOUNT_RATE) ** max(0.0, ep.years_between(ep.middle_of(quarter), ep.END)))


def part_played(quarter: int) -> float:
    """Share of a quarter that lies before the end."""
    return ep.share_within(quarter, ep.first_day(quarter), min(ep.last_day(quarter), ep.END))


def account_of(material: str, ledger: Sequence[Entry], own: Terms | None, case: int) -> Account:
    """The account of the entries of one material; without terms nothing was bought."""
    keep, end = 0.0 if own is None else 1 - own.haircut_share, end_price(material)
    worth = tuple(price * keep * ep.KG_PER_T / ep.MUSD for price in end or (0.0, 0.0, 0.0))
    cost = sales = 0.0
    for entry in ledger:
        holding = 0.0
        if own is not None and entry.price is not None:
            held = (entry.before_t + entry.after_t) / 2
            yearly = held * entry.price * ep.KG_PER_T / ep.MUSD * own.holding_share_per_yr
            holding = yearly / ep.PER_YEAR * part_played(entry.quarter)
        cost += (entry.spent_musd + holding) * carried(entry.quarter)
        sales += entry.proceeds_musd * carried(entry.quarter)
    left = ledger[-1].after_t
    return Account(
        material,
        sum(entry.released_t for entry in ledger),
        sum(entry.bought_t for entry in ledger),
        sum(entry.spent_musd for entry in ledger),
        sum(entry.unspent_musd for entry in ledger),
        cost,
        sales,
        left,
        tuple(left * each for each in worth),
        {name: _avoided(name, material, ledger, case) for name in functions()},
    )


def _avoided(function: str, material: str, ledger: Sequence[Entry], case: int) -> float | None:
    """Million USD; None where the function has no value for the material."""
    if function != MARKET_COST and (function, material) not in loss_values()[1]:
        return None
    released = [entry for entry in ledger if entry.released_t > 0]
    return sum(entry.released_t * value_of(function, material, entry.quarter, case) / ep.MUSD for entry in released)


# --- rivals -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rival:
    """What the plan ordered, or what others would have bought, or did."""

    name: str
    orders: tuple[Order, ...] = ()
    sales: tuple[Sale, ...] = ()
    budget_musd: float | None = None
    """Most that it spends; None: no limit."""
    ranked: bool = True


def rivals(budget_musd: float, use: Mapping[str, tuple[float, float]], terms: Mapping[str, Terms]) -> Iterator[Rival]:
    """Nothing; history in three readings; days of cover of normal use, bought evenly in the first year, scaled down to the budget
    and as they are; equal money on each material; money by value of use.

    use: material -> normal use [t/yr] and price at the freeze [USD/kg] of the plan's first day.
    """
    yield Rival("nothing", budget_musd=budget_musd)
    yield from _history()
    year = ep.BUDGET_QUARTERS[: ep.PER_YEAR]
    for days in ep.COVER_DAYS:
        wanted = {m: t * days / 365 for m, (t, _) in use.items()}
        total = sum(t * use[m][1] * _with_premium(t, terms[m]) * ep.KG_PER_T / ep.MUSD for m, t in wanted.items())
        scale = min(1.0, budget_musd / total)
        for name, factor, limit in (
            (f"{days} days of cover", scale, budget_musd),
            (f"{days} days of cover, unscaled", 1.0, None),
        ):
            if limit is not None or scale < 1:
                evenly = tuple(Order(m, q, tonnes=t / len(year) * factor) for m, t in wanted.items() for q in year)
                yield Rival(name, evenly, budget_musd=limit, ranked=limit is not None)
    value = {m: tonnes * price for m, (tonnes, price) in use.items()}
    for name, weight in (("equal money", dict.fromkeys(use, 1.0)), ("money by value of use", value)):
        shares = {m: w / sum(weight.values()) for m, w in weight.items()}
        each = budget_musd / len(ep.BUDGET_QUARTERS)
        orders = tuple(Order(m, q, musd=each * share) for m, share in shares.items() for q in ep.BUDGET_QUARTERS)
        yield Rival(name, orders, budget_musd=budget_musd)


def _with_premium(tonnes: float, terms: Terms) -> float:
    """Mean of one and the premium at which a year's tonnes can be bought; beyond the depth the last one."""
    left, cost = tonnes, 0.0
    for depth, premium in terms.steps:
        part = min(left, depth)
        cost += part * (1 + premium)
        left -= part
    return (cost + left * (1 + terms.steps[-1][1])) / tonnes


def _history() -> Iterator[Rival]:
    """What the government did: nothing, yearly ceilings of the stockpile's plan, funded orders. Its sales are not published."""
    policy = [row for row in ep.rows_of("actual_policy") if row.date]
    ceilings = [row for row in policy if row.record == "amp" and row.quantity]
    yearly = tuple(
        Order(row.material, ep.quarter_of(row.date) + n, tonnes=row.quantity / ep.PER_YEAR)
        for row in ceilings
        for n in range(ep.PER_YEAR)
    )
    funded = [row for row in policy if row.record == "funded order" and row.usd_million]
    orders = tuple(Order(row.material, ep.quarter_of(row.date), musd=row.usd_million) for row in funded)
    for name, bought in (("no purchases", ()), ("ceilings", yearly), ("funded orders", orders)):
        yield Rival(f"history: {name}", bought)


# --- perfect foresight --------------------------------------------------------------------------------------------------


class Program:
    """A linear program as it is written down: columns with worth, limit and money; rows as triples."""

    def __init__(self) -> None:
        """Without a column."""
        self.worth: list[float] = []
        self.most: list[float] = []
        self.money: list[float] = []
        self.entries: list[tuple[int, int, float]] = []
        self.equal: list[bool] = []

    def column(self, worth: float, most: float = np.inf, money: float = 0.0) -> int:
        """A new column; its number."""
        self.worth.append(worth)
        self.most.append(most)
        self.money.append(money)
        return len(self.worth) - 1

    def row(self, entries: Iterable[tuple[int, float]], *, equal: bool) -> None:
        """A new row, equal to zero or at most zero."""
        self.entries += [(len(self.equal), at, value) for at, value in entries]
        self.equal.append(equal)

    def best(self, budget_musd: float) -> tuple[float, float]:
        """(worth, money) of the best answer within the budget."""
        rows, columns, values = zip(*self.entries, strict=True)
        matrix = csr_matrix((values, (rows, columns)), shape=(len(self.equal), len(self.worth)))
        equal, worth, money = np.array(self.equal), np.array(self.worth), np.array(self.money)
        solved = linprog(
            -worth,
            A_eq=matrix[np.flatnonzero(equal)],
            b_eq=np.zeros(int(equal.sum())),
            A_ub=vstack([matrix[np.flatnonzero(~equal)], csr_matrix(money[None, :])]),
            b_ub=np.append(np.zeros(int((~equal).sum())), budget_musd),
            bounds=[(0.0, most) for most in self.most],
            method="highs",
        )
        return float(worth @ solved.x), float(money @ solved.x)


def foresight(
    function: str, materials: Iterable[str], terms: Mapping[str, Terms], budget_musd: float
) -> tuple[float, float]:
    """(best net, money spent) that any plan could have had under a function: an upper bound.

    Depth, controls, holding cost, haircut and budget bind as they bind the others; every price and loss is known beforehand, and
    release is free where it is a rule elsewhere.
    """
    program = Program()
    for material in materials:
        if end_price(material) is not None:
            _write(program, function, material, terms[material], frozenset(ep.BUDGET_QUARTERS))
    return program.best(budget_musd)


def _write(program: Program, function: str, material: str, own: Terms, buying: Set[int]) -> None:
    """One material: after = before + bought - released - sold, and no more goes out than was there before the quarter."""
    market, keep = RealisedMarket(CENTRAL), 1 - own.haircut_share
    before: int | None = None
    for quarter in ep.PLAYED:
        price = market.price(material, quarter)
        per_t = 0.0 if price is None else price * ep.KG_PER_T / ep.MUSD
        held = per_t * own.holding_share_per_yr / ep.PER_YEAR * part_played(quarter) * carried(quarter) / 2
        final = end_price(material)[CENTRAL] * keep * ep.KG_PER_T / ep.MUSD if quarter == ep.PLAYED[-1] else 0.0
        after = program.column(final - held)
        balance = [(after, 1.0)]
        if price is not None and quarter in buying:
            room = max(0.0, 1 - market.closed(material, quarter, own)) / ep.PER_YEAR
            for depth, premium in own.steps:
                paid = per_t * (1 + premium)
                balance.append((program.column(-paid * carried(quarter), depth * room, paid), -1.0))
        if before is not None:
            program.worth[before] -= held
            out = []
            if price is not None:
                out.append((program.column(per_t * keep * carried(quarter), own.depth / ep.PER_YEAR), 1.0))
            if (material, quarter) in releasable():
                value = value_of(function, material, quarter, CENTRAL) or 0.0
                out.append((program.column(value / ep.MUSD, releasable()[material, quarter][CENTRAL]), 1.0))
            if out:
                program.row([*out, (before, -1.0)], equal=False)
            balance += [(before, -1.0), *out]
        program.row(balance, equal=True)
        before = after


# --- scores of a reading at a budget ------------------------------------------------------------------------------------


def score(rows: Rows, reading: str, budget: float, answers: Sequence[Answer]) -> None:
    """Add the scores of all plans of a reading at a budget: the plan, static and rolling, its rivals and the upper bound."""
    place, terms = {"reading": reading, "budget_musd": budget}, terms_of(answers)
    first = [
        row for row in answers[0].content["materials"] if row["planned"] and end_price(row["material"]) is not None
    ]
    use = {row["material"]: (row["use_t"], row["price_usd_per_kg"]) for row in first}
    plans = [
        Rival(name, *map(tuple, orders_of(known, ep.END)), budget_musd=budget)
        for name, known in ((STATIC, answers[:1]), (ROLLING, answers))
    ]
    plans += rivals(budget, use, terms_of(answers[:1]))
    nets: dict[str, dict[str, float]] = {}
    for rival in plans:
        ledgers, accounts = zip(*(_played(rival, terms, case) for case in range(len(CASES))), strict=True)
        central = accounts[CENTRAL]
        nets[rival.name] = {f: sum(a.net(f) for a in central) for f in functions()}
        rows.setdefault("accounts", []).append(place | {"plan": rival.name} | _totals(central))
        for f in functions():
            ends = [
                sum(a.net(f, end) for a in accounts[case]) for case in range(len(CASES)) for end in range(len(CASES))
            ]
            rows.setdefault("net", []).append(
                place
                | {"plan": rival.name, "function": f}
                | {"avoided_musd": sum(a.avoided_musd[f] or 0.0 for a in central), "net_musd": nets[rival.name][f]}
                | {"net_low_musd": min(ends), "net_high_musd": max(ends), "ranked": rival.ranked}
            )
        if rival.name in PLANS:
            _detail(rows, place | {"plan": rival.name}, accounts, ledgers[CENTRAL])
    bound = {f: foresight(f, list(use | terms), terms, budget) for f in functions()}
    for f, (net, _) in bound.items():
        rows["net"].append(place | {"plan": FORESIGHT, "function": f, "net_musd": net, "ranked": False})
    others = [rival for rival in plans if rival.name not in PLANS]
    for mine in PLANS:
        for f in functions():
            own = nets[mine][f]
            better = [rival for rival in others if rival.ranked and nets[rival.name][f] > own + 1e-9]
            ranks = {"rank": len(better) + 1, "of": sum(rival.ranked for rival in others) + 1}
            rows.setdefault("ranks", []).append(
                place | {"plan": mine, "function": f} | ranks | {"net_musd": own, "bound_musd": bound[f][0]}
            )
        for rival in others:
            better = sum(nets[mine][f] - nets[rival.name][f] > 1e-9 for f in functions())
            rows.setdefault("agreement", []).append(
                place | {"plan": mine, "rival": rival.name, "better": better, "of": len(functions())}
            )


def _played(rival: Rival, terms: Mapping[str, Terms], case: int) -> tuple[list[Entry], list[Account]]:
    """What a plan's orders came to, and its accounts by material."""
    losses = {key: ends[case] for key, ends in releasable().items()}
    ledger = execute(rival.orders, rival.sales, RealisedMarket(case), terms, ep.PLAYED, rival.budget_musd, losses)
    by_material: dict[str, list[Entry]] = {}
    for entry in ledger:
        by_material.setdefault(entry.material, []).append(entry)
    return ledger, [account_of(name, own, terms.get(name), case) for name, own in by_material.items()]


MONEY = ("spent_musd", "unspent_musd", "cost_musd", "sales_musd", "market_musd")


def _money(account: Account) -> dict[str, float]:
    ends = {"market_low_musd": account.market_ends[0], "market_high_musd": account.market_ends[2]}
    return {what: getattr(account, what) for what in MONEY} | ends


def _totals(accounts: Sequence[Account]) -> dict[str, float]:
    """Money of a plan over all materials."""
    money = [_money(account) for account in accounts]
    return {what: sum(each[what] for each in money) for what in (*MONEY, "market_low_musd", "market_high_musd")}


def _detail(
    rows: Rows, place: Mapping[str, Any], accounts: Sequence[Sequence[Account]], ledger: Sequence[Entry]
) -> None:
    """The plan by material: tonnes lost and covered at both ends, money, and its ledger."""
    by_case = [{account.material: account for account in own} for own in accounts]
    for material in inputs():
        covered = [own[material].covered_t if material in own else 0.0 for own in by_case]
        tonnes = dict(zip(("lost_low_t", "lost_t", "lost_high_t"), attributed(material) or (None,) * 3, strict=True))
        tonnes |= dict(zip(("covered_low_t", "covered_t", "covered_high_t"), covered, strict=True))
        rows.setdefault("coverage", []).append({**place, "material": material, **tonnes})
    for a in accounts[CENTRAL]:
        outcome = inputs()[a.material].outcome_3yr
        tonnes = {"bought_t": a.bought_t, "left_t": a.left_t}
        rows.setdefault("by_material", []).append(
            {**place, "material": a.material, "outcome": outcome, **tonnes, **_money(a)}
        )
    for entry in ledger:
        if entry.bought_t > 0 or entry.sold_t > 0 or entry.released_t > 0:
            shown = {key: value for key, value in vars(entry).items() if key not in ("before_t", "unspent_musd")}
            rows.setdefault("ledger", []).append({**place, **shown, "quarter": ep.label(entry.quarter)})


# --- forecasts ----------------------------------------------------------------------------------------------------------


def score_forecasts(rows: Rows, reading: str, answers: Sequence[Answer]) -> None:
    """Add how the forecasts of a reading's first plan held, beside the references, and what each plan could plan."""
    first, place = answers[0].content, {"reading": reading}
    inside = [row for row in map(_seen, first["intervals"]) if row is not None]
    for quantity in ("availability", "price"):
        own = [row for row in inside if row["quantity"] == quantity]
        counts = {what: sum(row[what] for row in own) for what in ("central_inside", "band_inside", "band_overlaps")}
        expected = {
            f"expected_{end}": int(binom.ppf(level, len(own), 0.9)) for end, level in (("low", 0.05), ("high", 0.95))
        }
        losses = {what: fmean(row[what] for row in own) for what in (f"pinball_{point}" for point in POINTS)}
        rows.setdefault("calibration", []).append(
            {**place, "quantity": quantity, "forecasts": len(own), **counts, **expected, **losses}
        )
    happened, refer = {m: row.outcome_3yr for m, row in inputs().items()}, references()
    said = {row["material"]: row["probability"] for row in first["controls"]}
    own = {m: said.get(m, refer["pooled counts"][m]) for m in happened}
    for name, chances in {"plan": own, **refer}.items():
        brier = fmean((chances[m] - outcome) ** 2 for m, outcome in happened.items())
        notices: dict[Any, list[float]] = {}
        for m, outcome in happened.items():
            if outcome > 0:
                notices.setdefault(control_day(m), []).append((chances[m] - 1) ** 2)
        by_notice = {"notices": len(notices), "score_by_notice": fmean(fmean(scores) for scores in notices.values())}
        rows.setdefault("brier", []).append(
            {**place, "forecast": name, "score": brier, "materials": len(own), **by_notice}
        )
    for m, outcome in happened.items():
        chances = {"plan": own[m], "own_counts": refer["own counts"][m], "outcome": outcome}
        rows.setdefault("probabilities", []).append({**place, "material": m, **chances})
    for answer in answers:
        told = {row["material"]: row for row in answer.content["materials"]}
        absent = {"planned": False, "why_not": "no row of it can be read on this day", "origins": "", "stale": ()}
        for material in [m for m in told if m in inputs() or told[m]["planned"]] + [
            m for m in inputs() if m not in told
        ]:
            row = told.get(material, absent)
            shown = {what: row[what] for what in ("planned", "why_not", "origins")} | {"stale": "; ".join(row["stale"])}
            rows.setdefault("materials", []).append({**place, "day": answer.day, "material": material, **shown})


def _seen(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A forecast beside what happened: availability over normal, annual price over the price at the freeze; None: a gap."""
    material, year = row["material"], row["year"]
    if row["quantity"] == "price":
        price = getattr(inputs()[material], f"price_y{year - ep.FREEZE.year}", None)
        if price is None:
            return None
        low = seen = high = price / inputs()[material].price_freeze_usd_per_kg
    else:
        found = [
            line
            for line in realised(material)
            if line.metric == "availability share of normal (annual)"
            and line.value is not None
            and line.period_start.year == year
        ]
        if not found:
            return None
        low, seen, high = (
            _or(found[-1].value_low, found[-1].value),
            found[-1].value,
            _or(found[-1].value_high, found[-1].value),
        )
    bottom, top = row["p05"], row["p95"]
    return {
        "quantity": row["quantity"],
        "central_inside": bottom <= seen <= top,
        "band_inside": bottom <= low and high <= top,
        "band_overlaps": low <= top and bottom <= high,
        **{f"pinball_{p}": max(level * (seen - row[p]), (level - 1) * (seen - row[p])) for p, level in POINTS.items()},
    }


@cache
def references() -> dict[str, dict[str, float]]:
    """Reference -> material -> probability: what a forecaster could have said without a model."""
    minerals: dict[str, list[str]] = {}
    for row in ep.rows_of("known"):
        if row.material and row.mineral:
            minerals.setdefault(row.material, []).append(row.mineral)
    names = {m: ep.Facts(m, max(own, key=own.count)) for m, own in minerals.items()}
    names |= {m: ep.Facts(m, realised(m)[0].mineral) for m in inputs() if m not in names}
    single, pooled = ep.counts_of(ep.rows_of("events_known"))
    rate, own, wide = _rate(pooled), {}, {}
    for m in inputs():
        row = next((row for row in single if ep.is_named(names[m], row.minerals)), None)
        own[m] = rate if row is None else _rate(row)
        seen = [
            event for event in ep.rows_of("events_known") if _counts(event) and ep.is_named(names[m], event.minerals)
        ]
        wide[m] = rate if row is None else (len(seen) + ep.JEFFREYS) / ep.starts_of(row)[1]

    def within(rates: Mapping[str, float]) -> dict[str, float]:
        return {m: ep.probability({"": r}, names[m]) for m, r in rates.items()}

    return {
        "never": dict.fromkeys(own, 0.0),
        "pooled counts": within(dict.fromkeys(own, rate)),
        "own counts": within(own),
        "own counts, small and standing quotas counted": within(wide),
        "even odds": dict.fromkeys(own, 0.5),
        "base rate in hindsight": dict.fromkeys(own, fmean(row.outcome_3yr for row in inputs().values())),
    }


def _rate(row: ep.Row) -> float:
    starts, years = ep.starts_of(row)
    return (starts + ep.JEFFREYS) / years


def _counts(row: ep.Row) -> bool:
    """Whether an event counts in the wider reading: small and standing quotas too."""
    counted = row.count_in_hazard.startswith(("true", "false (chronic)", "false (small)"))
    return row.kind == "event" and row.took_effect == "true" and counted
