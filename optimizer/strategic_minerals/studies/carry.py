"""From what was signed to the tables of the next plan: plants as activities, payments that remain, floors that still pay.

A plant under support becomes an activity with its capacity by year, its claim in a crisis in its kappa; the part of a source under
an offtake contract one with kappa = 1 for the term. So a plan cannot cancel or sign again what binds it, and everything else -
audit, prices, comparison - reads tables like any others."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..answer.tables import borrowed
from ..answer.year import ACTS, NEWS, ActRow, NewsRow
from ..core.errors import Fault, InputError, near_miss
from ..core.frames import Floats
from ..core.stats import MUSD_PER_T
from ..matrix.problem import HALF
from ..matrix.solution import Solution
from ..model.sets import Structure
from ..question.dataset import Dataset
from ..question.project_tables import UNKNOWN
from ..question.tables import TABLES
from ..world.instance import Contract, Floor, Instance, MarketFloor
from ..world.packages import Option
from ..world.producers import purchase_price, survival

# What a year of a plan leaves behind: stocks, commitments, users' own stocks, money, sources that are shut.
SMALL = 1e-9
"""Shares and tonnes up to which there is nothing."""
ROUNDED = 1e-4
"""Share by which tonnes that were written down may be more than they were."""


@dataclass(frozen=True)
class Question:
    """A solved question, as far as its state hangs on it."""

    structure: Structure
    """In model units."""
    natural: Instance
    """In tonnes."""
    solution: Solution
    """In tonnes."""


@dataclass(frozen=True)
class State:
    """What is there when the next plan begins."""

    periods: int
    """Periods that have passed."""
    stock: Mapping[str, float]
    """Material -> tonnes in store."""
    bought: Mapping[tuple[str, str], float]
    """(material, country of origin; empty: not known) -> tonnes bought since the plan was made."""
    users_missing: Mapping[tuple[str, str], float]
    """(material, segment; empty: plants) -> share that users' own stock lacks."""
    packages: tuple[tuple[Option, float], ...]
    """Signed packages and the share signed; those that owners build without support too."""
    contracts: tuple[tuple[Contract, float], ...]
    """Offtake contracts that were signed and their tonnes a period."""
    floors: tuple[int, ...]
    """Market floors that were chosen, by their place in the question."""
    kept_musd: float
    """Money that may be spent in the first year of the next plan beside its appropriation."""
    spent_musd: float
    """Outlays of the years that have passed, what was signed before included."""
    owed: tuple[float, float]
    """What is owed on the plan's loan, and when it is due; 0 and infinity: nothing."""
    closed: Mapping[str, float]
    """Source -> date until which it stays shut after its revenue has recovered."""


def as_planned(question: Question, years: int) -> State:
    """The state after some fiscal years along the baseline course. Raises ValueError beyond the planned years."""
    n, x = question.natural, question.solution
    most = len(n.calendar.planned_years) - 1
    if not 1 <= years <= most:
        raise ValueError(f"from 1 to {most} years, not {years}: nothing would be left to plan")
    P = years * n.calendar.per_year
    bought: dict[tuple[str, str], float] = defaultdict(float)
    for b, name in enumerate(x.purchases):
        bought[purchased(question, name)] += float(x.acquisition[0, b, :P].sum())
    lacking = zip(n.users, x.users_missing[0, :, P - 1], n.users_level, strict=True)
    paid = outlays(question)[:years]
    return replace(
        signed_by(question, P, P),
        stock={name: float(max(0.0, x.stock[0, i, P - 1])) for i, name in enumerate(n.materials)},
        bought={key: tonnes for key, tonnes in bought.items() if tonnes > SMALL},
        users_missing={
            (n.materials[i], n.demands[q][1] if q >= 0 else ""): float(np.clip(missing / level, 0.0, 1.0))
            for (i, q), missing, level in lacking
        },
        kept_musd=_kept(question, paid),
        spent_musd=float(paid.sum()),
        owed=_owed(question, P, {}),
    )


def signed_by(question: Question, begin: int, end: int) -> State:
    """The state at period `begin` with nothing in it but what the plan signs before period `end`."""
    structure, x = question.structure, question.solution
    early = ((o, float(s)) for o, s in zip(structure.support.options, x.sign, strict=True) if o.signed < end)
    kept = tuple((option, share) for option, share in early if share > SMALL)
    pairs = zip(structure.contracts, x.contract, strict=True)
    contracts = tuple((c, float(tonnes)) for c, tonnes in pairs if tonnes > SMALL and c.start <= end)
    floors = tuple(m for m, share in enumerate(x.floor) if share > HALF)
    closed = _closed(question.natural, question.structure, x.floor, begin) if begin else {}
    return State(begin, {}, {}, {}, kept, contracts, floors, 0.0, 0.0, (0.0, np.inf), closed)


def purchased(question: Question, name: str) -> tuple[str, str]:
    """Material and country of origin of a purchase."""
    n = question.natural
    known = {p.name: p for sets in question.structure.component_sets for p in sets.purchases}[name]
    country = n.country[known.source] if known.source >= 0 else n.offer_country[known.offer]
    return n.materials[known.material], country or ""


def _traded(question: Question) -> tuple[Floats, Floats]:
    """(T,) what is bought, and what sales bring, on the baseline course [million USD]."""
    n, x, trunk = question.natural, question.solution, question.structure.trunk
    price = trunk.price[0] / question.structure.instance.material_unit[:, None]
    known = {p.name: p for sets in question.structure.component_sets for p in sets.purchases}
    bought = np.zeros(n.calendar.periods)
    for b, name in enumerate(x.purchases):
        p = known[name]
        bought += purchase_price(n, p, price[p.material], trunk.market_gap[0, p.material]) * x.acquisition[0, b]
    return bought, ((1 - n.haircut)[:, None] * price * x.disposal[0]).sum(axis=0)


def _owed(question: Question, periods: int, beyond: Mapping[int, float]) -> tuple[float, float]:
    """What is owed on the loan after some periods, and when it is due. beyond: year -> what was spent beyond the plan's outlays."""
    n, (bought, sold) = question.natural, _traded(question)
    if (loan := n.plan.budget.loan) is None:
        return 0.0, np.inf
    for f, more in beyond.items():
        bought[np.flatnonzero(n.calendar.year_index == f)[-1]] += more
    owed, due = borrowed(loan, (bought - sold)[:periods], n.calendar)
    return (float(owed[-1]), due) if due >= n.calendar.first_year + periods * n.calendar.step else (0.0, np.inf)


def outlays(question: Question) -> Any:
    """(F,) outlays of each fiscal year on the baseline course, what was signed before included [million USD]."""
    n, x, structure = question.natural, question.solution, question.structure
    total, sales = _traded(question)
    total += (n.budget_holding[:, None] * x.stock[0] * n.calendar.step).sum(axis=0)
    if n.plan.budget.revolving:
        total -= sales
    for contract, tonnes in zip(structure.contracts, x.contract, strict=True):
        total[contract.start : contract.end] += float(n.contract_fee[contract.source]) * float(tonnes)
    total += x.sign @ structure.support.outlay + x.floor @ structure.support.market_outlay
    by_year = np.array([total[n.calendar.year_index == f].sum() for f in range(len(n.calendar.years))])
    return by_year + n.carried.due


def _kept(question: Question, paid: Sequence[float]) -> float:
    """Money that may be carried over after years of which each cost so much [million USD]: what is left, no more than the share of
    the year's appropriation; negative, what was drawn of the next year's."""
    n, kept = question.natural, 0.0
    early = n.plan.budget.advance_share * np.append(n.appropriation[1:], 0.0)
    for f, spent in enumerate(paid):
        money = float(n.appropriation[f]) + (kept if f else n.plan.budget.carried_in_musd)
        most = n.plan.budget.carry_over_share * float(n.appropriation[f])
        kept = min(most, max(-float(early[f]), money - float(spent)))
    return kept


def floor_place(n: Instance, name: str) -> int:
    """Place of a market floor among those of the instance: of those of the question some were dropped."""
    return [floor.name for floor in n.market_floors].index(name)


def _closed(n: Instance, structure: Structure, floors: Any, P: int) -> dict[str, float]:
    """Sources that their price has shut within the last `restart` periods, and until when they stay so."""
    at_once = replace(n, restart=np.zeros_like(n.restart))
    price, gap = structure.trunk.price[0] / structure.instance.material_unit[:, None], structure.trunk.market_gap[0]
    chosen = [structure.support.markets[m] for m, share in enumerate(floors) if share > HALF]
    found = {}
    for j in range(n.sources):
        if n.restart[j] > 0:
            own = [n.market_floors[floor_place(n, m.floor.name)].floor for m in chosen if m.floor.eligible[j]]
            ok = survival(at_once, j, price, own, 0, gap)[:P]
            bad = np.flatnonzero(~ok)
            if len(bad) and bad[-1] + n.restart[j] + 1 > P:
                found[n.producers[j]] = n.calendar.first_year + n.calendar.step * float(bad[-1] + n.restart[j] + 1)
    return found


def as_done(question: Question, years: int, acts: Sequence[ActRow], news: Sequence[NewsRow] = ()) -> State:
    """The state after some years in which some things were done otherwise than planned, and some purchases did not arrive. What was
    not bought or signed is not paid either. Raises InputError for what the plan does not have."""
    draft = _Draft(question, years)
    for line, act in enumerate(acts, start=2):
        if act.done is not None:
            draft.enter(Fault(ACTS, str(line), "", "", ""), act, act.done, act.fiscal_year)
    for line, row in enumerate(news, start=2):
        if row.kind == "delivered" and row.happened is not None:
            draft.enter(Fault(NEWS, str(line), "", "", ""), row, row.happened, None)
    if draft.faults:
        raise InputError(draft.faults)
    return draft.state()


class _Draft:
    """Decisions of a plan while what was done otherwise is entered."""

    def __init__(self, question: Question, years: int) -> None:
        self.entered = {
            name: getattr(question.solution, name).copy()
            for name in ("sign", "contract", "floor", "acquisition", "stock")
        }
        """Arrays of a copy, which may be written to: those of the solution are views of them."""
        self.question, self.years = replace(question, solution=replace(question.solution, **self.entered)), years
        self.faults: list[Fault] = []
        self.counted: dict[str, float] = {}
        self.lost: dict[str, float] = {}
        """Offer -> tonnes that did not arrive."""
        self.spent: dict[int, float] = {}

    def enter(self, place: Fault, row: ActRow | NewsRow, amount: float, year: int | None) -> None:
        """What a row says of a fiscal year; None: of all that have passed. place: its file and line."""
        n, x, structure = self.question.natural, self.question.solution, self.question.structure
        first, step = n.calendar.first_year, n.calendar.per_year
        passed = [first + k for k in range(self.years)]
        ahead = [passed[-1] + 1] * (row.kind == "contract")  # one that begins with the next year is signed before it
        at_the_end = row.kind == "stock"  # its level when the last of the years is over
        if year not in (None, *passed[-1 if at_the_end else 0 :], *ahead):
            expected = f"{passed[-1]}, at whose end it counts" if at_the_end else "a year that has passed"
            self.faults.append(replace(place, column="fiscal_year", found=str(year), expected=expected))
            return
        span = range(self.years * step) if year is None else range((year - first) * step, (year - first + 1) * step)
        options = {k: o for k, o in enumerate(structure.support.options) if o.signed in span}
        until = max(span.stop, self.years * step + 1) if year in (None, passed[-1]) else span.stop
        begun = ((k, c) for k, c in enumerate(structure.contracts) if span.start <= c.start < until)
        contracts = {k: n.producers[c.source] for k, c in begun}
        floors = [m.floor.name for m in structure.support.markets]
        called = f"{row.item}: {row.detail}" if row.kind == "package" else row.item or ""
        packages = [f"{n.projects[option.project].name}: {option.package.name}" for option in options.values()]
        names: dict[str, tuple[Iterable[str], str]] = {
            "stock": (n.materials, "a material of the plan"),
            "bought": (x.purchases, "an offer of the plan"),
            "delivered": (x.purchases, "an offer of the plan"),
            "package": (packages, "a project and its package, as the plan calls them"),
            "contract": (contracts.values(), "a source that offers contracts"),
            "market_floor": (floors, "a market floor of the plan"),
        }
        known, what = names.get(row.kind, ([called], ""))
        if called not in known:
            near = near_miss(called, list(known))
            self.faults.append(replace(place, column="item", found=f"'{called}'", expected=f"{what}{near}"))
            return
        match row.kind:
            case "stock":
                self.counted[called] = amount
            case "bought":
                self._buy(called, amount, span)
            case "delivered":
                ordered = float(x.acquisition[0, x.purchases.index(called), : self.years * step].sum())
                self.lost[called] = ordered - amount
                if amount > ordered * (1 + ROUNDED):
                    expected = f"at most {ordered:,.6g} t, which were bought"
                    self.faults.append(replace(place, column="happened", found=f"{amount:g}", expected=expected))
            case "package":
                chosen = list(options)[packages.index(called)]
                self.entered["sign"][[k for k, o in options.items() if o.project == options[chosen].project]] = 0.0
                self.entered["sign"][chosen] = min(1.0, amount)
            case "contract":
                mine = [k for k, source in contracts.items() if source == called]
                self.entered["contract"][mine] = 0.0
                self.entered["contract"][mine[-1]] = amount * n.calendar.step
            case "market_floor":
                self.entered["floor"][floors.index(called)] = amount > HALF
            case "spent":
                self.spent[span[-1] // step] = amount

    def _buy(self, offer: str, amount: float, span: range) -> None:
        bought = self.entered["acquisition"][0, self.question.solution.purchases.index(offer)]
        before, planned = bought.copy(), float(bought[span].sum())
        bought[span] = bought[span] * amount / planned if planned > SMALL else 0.0
        if planned <= SMALL:
            bought[span[-1]] = amount
        stock = self.entered["stock"][0, self.question.natural.materials.index(purchased(self.question, offer)[0])]
        stock[:] = np.maximum(0.0, stock + np.cumsum(bought - before))

    def state(self) -> State:
        """What all of it comes to."""
        state, paid = as_planned(self.question, self.years), outlays(self.question)[: self.years]
        beyond = {f: amount - paid[f] for f, amount in self.spent.items()}
        for f, amount in self.spent.items():
            paid[f] = amount
        stock, bought = dict(state.stock), dict(state.bought)
        for offer, tonnes in self.lost.items():
            key = purchased(self.question, offer)
            bought[key] = max(0.0, bought.get(key, 0.0) - tonnes)
            stock[key[0]] = max(0.0, stock[key[0]] - tonnes)
        stock |= self.counted
        kept = _kept(self.question, paid)
        owed = _owed(self.question, state.periods, beyond)
        return replace(state, stock=stock, bought=bought, kept_musd=kept, spent_musd=float(paid.sum()), owed=owed)


Rows = dict[str, list[Any]]
"""Rows by table."""
OF_A_PLANT = (
    "source year confidence note name country stage premium_share cash_usd_per_kg cash_usd_per_kg_low cash_usd_per_kg_high "
    "restart_yr restart_yr_low restart_yr_high money_year"
).split()
"""Columns of a project that its plant keeps."""
KEYED = {"activity": "activities", "commitment": "commitments", "offer": "offers"}
"""Key -> its table."""
CAPACITIES = ("capacity_t_per_yr", "capacity_t_per_yr_low", "capacity_t_per_yr_high", "normal_t_per_yr")


def carried_rows(question: Question, state: State, data: Dataset, source: str) -> Rows:
    """All tables of the next plan, with what was signed in them. source: what rows say of where they come from."""
    rows: Rows = {name: list(each) for name, each in data.tables.items()}
    carrier = _Carrier(question, state, rows, source)
    for option, share in state.packages:
        carrier.package(option, share)
    carrier.signed_projects()
    for m in state.floors:
        carrier.market_floor(m)
    for contract, tonnes in state.contracts:  # what is split off a source has its floors
        carrier.contract(contract.source, contract.start, contract.end, tonnes)
    carrier.qualified()
    carrier.closures()
    carrier.stocks()
    carrier.users()
    return carrier.finished()


class _Carrier:
    """Tables while what was signed is written into them."""

    def __init__(self, question: Question, state: State, rows: Rows, source: str) -> None:
        self.question, self.state, self.rows = question, state, rows
        self.projects = {row.project: row for row in rows.get("projects", [])}
        self.shares: dict[str, float] = defaultdict(float)
        """Project -> share that was signed, of all packages together."""
        self.parts: dict[str, list[str]] = defaultdict(list)
        """Source -> its parts under contract."""
        self.n, self.calendar = question.natural, question.natural.calendar
        self.first = self.calendar.first_year + state.periods // self.calendar.per_year
        self.provenance = {"source": source, "year": self.first, "confidence": "derived"}

    def add(self, table: str, **cells: Any) -> None:
        """A row of a table that says where it comes from."""
        self.rows.setdefault(table, []).append(TABLES[table].model_validate({**self.provenance, **cells}))

    def _new(self, name: str, column: str) -> str:
        """A name that no row has yet. column: the key of its table, in the singular."""
        taken = {getattr(row, column) for row in self.rows.get(KEYED[column], [])}
        return next(one for one in (name, *(f"{name}-{k}" for k in range(2, 10_000))) if one not in taken)

    def date(self, period: float) -> float:
        """Start of a period of the old plan [decimal fiscal year]."""
        return self.calendar.first_year + self.calendar.step * period

    def by_year(self, values: Any) -> dict[int, float]:
        """Year -> sum over its periods, from the first year of the next plan on."""
        found: dict[int, float] = defaultdict(float)
        for t, value in enumerate(values):
            year = self.calendar.first_year + t // self.calendar.per_year
            if year >= self.first:
                found[year] += float(value)
        return found

    def package(self, option: Option, share: float) -> None:
        """A signed package: the plant, what it is paid and its floors. Owners' own plants are there without any."""
        n = self.n
        project = n.projects[option.project]
        row, whole = self.projects[project.name], share > 1 - 1e-6
        self.shares[project.name] += share
        signed_year = self.calendar.first_year + option.signed // self.calendar.per_year
        name = project.name if whole else self._new(f"{project.name}-{signed_year}", "activity")
        years = math.ceil(max(self.calendar.periods, option.start + project.life) / self.calendar.per_year)
        output = np.zeros(years * self.calendar.per_year)
        output[option.start : option.start + project.life] = project.ramp[: len(output) - option.start]
        made = {
            year: value / self.calendar.per_year * share * row.capacity_t_per_yr
            for year, value in self.by_year(output).items()
        }
        plant = {column: getattr(row, column) for column in OF_A_PLANT}
        plant |= {"activity": name, "kappa": row.kappa + (1 - row.kappa) * option.package.offtake}
        self.rows["activities"].append(TABLES["activities"].model_validate(plant))
        self._capacities(name, made)
        if not whole:
            self._copied(project.name, name)
            self._sold_together(project.name, name)
        every = (self._own_floor(option), *(self._market(m).floor for m in option.market))
        floors = [floor for floor in every if floor is not None]
        if option.package.name == "none" and not floors:
            return
        commitment = self._new(f"{project.name}-{signed_year}", "commitment")
        beta = float(self.calendar.beta[self.calendar.periods])
        for floor in floors:
            if floor.kind == "purchase":
                until = self.date(option.start + floor.term)
                self._right_to_buy(name, floor, share, float(n.premium[project.producer]), until)
        terms = {
            "kind": "package",
            "item": project.name,
            "package": option.package.name,
            "producer": name,
            "signed_year": signed_year,
            "share": share,
            "from_year": self.date(option.start),
            "until_year": self.date(option.start + project.life),
            "residual_musd": share * n.plan.residual * max(0.0, option.residual) / beta,
        }
        end = option.start + project.life
        of_floors = [self._floor_cells(floor, option.start, share, end) for floor in floors] or [{}]
        if floors:
            of_floors[0]["floor_from_year"] = self._after_older(project.name, floors[0], option.start, of_floors[0])
        self.add("commitments", commitment=commitment, **terms, **of_floors[0])
        for k, cells in enumerate(of_floors[1:], start=2):
            cells |= {**terms, "kind": "market_floor", "residual_musd": 0.0}
            self.add("commitments", commitment=f"{commitment}-floor{k}", **cells)
        self._payments(commitment, "instalment", self.by_year(share * option.payments))
        made_whole = output[: len(option.fees)]  # the fee is one for all of the life, whatever horizon hides of it
        fee = max((paid / made for paid, made in zip(option.fees, made_whole, strict=True) if made > 0), default=0.0)
        self._payments(commitment, "fee", self.by_year(share * fee * output))

    def _right_to_buy(self, producer: str, floor: Floor, share: float, premium: float, until: float) -> None:
        """The tonnes under a purchase floor are an offer of the plant at its own price, as long as the floor lasts."""
        material = self.n.materials[floor.material]
        name = self._new(f"{producer}-{material}-floor", "offer")
        depth = share * floor.take / self.calendar.step
        cells = {"material": material, "source_producer": producer, "depth_t_per_yr": depth, "premium_share": premium}
        self.add("offers", offer=name, until_year=until, **cells)

    def _own_floor(self, option: Option) -> Floor | None:
        """The floor of a package in tonnes, as this project has it."""
        package, j = option.package, self.n.projects[option.project].producer
        if package.floor is None or self.n.yields[j, package.floor.material] <= 0:
            return None
        natural = next(p for p in self.n.packages if p.name == package.name).floor
        if natural is None or package.take_share is None:
            return natural
        made = float(self.n.yields[j, natural.material] * self.n.capacity[j, 0])
        return replace(natural, take=package.take_share * made)

    def _market(self, m: int) -> MarketFloor:
        """A market floor of the question, in tonnes."""
        return self.n.market_floors[floor_place(self.n, self.question.structure.support.markets[m].floor.name)]

    def _after_older(self, producer: str, floor: Floor, start: int, cells: Mapping[str, Any]) -> float:
        """Date from which a floor pays: periods round the end of an older one on the same output, which may lie in its first."""
        begin = start if floor.begin is None else floor.begin
        same = producer, self.n.materials[floor.material]
        older = (row for row in self.rows.get("commitments", []) if (row.producer, row.floor_material) == same)
        ends = [float(row.floor_until_year) for row in older if row.floor_until_year is not None]
        return max([float(cells["floor_from_year"]), *(end for end in ends if end < self.date(begin + 1))])

    def _floor_cells(self, floor: Floor, start: int, share: float = 1.0, closes: int | None = None) -> dict[str, Any]:
        """Columns of `commitments` about a floor, in USD/kg and dates. What a plant makes in the year in which it starts or closes
        counts as made all the year: so does a floor that begins or ends with it."""
        begin = start if floor.begin is None else floor.begin
        dates = self.date(begin), self.date(begin + floor.term)
        whole = closes is not None and begin == start, begin + floor.term == closes
        take = None if not math.isfinite(floor.take) else share * floor.take / self.calendar.step
        return {
            "floor_material": self.n.materials[floor.material],
            "floor_kind": floor.kind,
            "floor_usd_per_kg": floor.level / MUSD_PER_T,
            "floor_from_year": math.floor(dates[0] + 1e-9) if whole[0] else dates[0],
            "floor_until_year": math.ceil(dates[1] - 1e-9) if whole[1] else dates[1],
            "upside_share": floor.upside,
            "take_t_per_yr": take,
        }

    def _payments(self, commitment: str, payment: str, amounts: Mapping[int, float]) -> None:
        for year, amount in amounts.items():
            if amount > SMALL:
                self.add("payments_due", commitment=commitment, fiscal_year=year, payment=payment, amount_musd=amount)

    def signed_projects(self) -> None:
        """Projects that may still be signed.

        One that was signed is no choice any more, and what is left of it a smaller one. What excludes it, or it excludes, can be
        signed no more, nor what needs that."""
        left = {name: 1 - share for name, share in self.shares.items()}
        gone = {name for name, rest in left.items() if rest <= 1e-6}
        barred: set[str] = set()
        for row in self.projects.values():
            if row.project in left:
                barred |= set(row.excludes.split()) - set(left)
            elif set(row.excludes.split()) & set(left):
                barred.add(row.project)
        size = -1
        while len(barred) > size:
            size = len(barred)
            barred |= {r.project for r in self.projects.values() if set(r.needs.split()) & barred} - set(left)
        kept, strays = [], gone | barred
        without = barred | (
            gone - {row.activity for row in self.rows["activities"]}
        )  # signed in parts, under other names
        for row in self.projects.values():
            if row.project in strays:
                continue
            update: dict[str, Any] = {
                name: " ".join(one for one in getattr(row, name).split() if one not in strays)
                for name in ("needs", "excludes")
            }
            if row.project in left:
                for name in ("capacity_t_per_yr", "capex_musd", "capex_musd_low", "capex_musd_high"):
                    value = getattr(row, name)
                    update[name] = None if value is None else left[row.project] * value
            kept.append(row.model_copy(update=update))
        self.rows["projects"] = kept
        for table in ("ramps", "packages"):
            self.rows[table] = [r for r in self.rows.get(table, []) if r.project not in strays]
        named = (("yields", "producer"), ("feed_origins", "producer"), ("qualifications", "producer"))
        for table, column in (*named, ("offers", "source_producer")):
            self.rows[table] = [r for r in self.rows.get(table, []) if getattr(r, column) not in without]

    def _capacities(self, activity: str, by_year: Mapping[int, float]) -> None:
        """Rows of an activity's capacity where it changes."""
        last: float | None = None
        for year in sorted({self.first, *by_year}):
            value = by_year.get(year, 0.0)
            if value != last:
                self.add("capacities", activity=activity, from_year=year, capacity_t_per_yr=value)
            last = value
        if by_year and last:
            self.add("capacities", activity=activity, from_year=max(by_year) + 1, capacity_t_per_yr=0.0)

    def _copied(self, producer: str, name: str) -> None:
        """What a producer makes, uses and declares, and what it was guaranteed, for one that was split off."""
        for row in [
            row for row in self.rows.get("commitments", []) if row.producer == producer and row.floor_usd_per_kg
        ]:
            self.rows["commitments"].append(
                row.model_copy(
                    update={"commitment": self._new(f"{row.commitment}-{name}", "commitment"), "producer": name}
                )
            )
        for table in ("yields", "feed_origins", "qualifications"):
            mine = [row for row in self.rows.get(table, []) if row.producer == producer]
            self.rows.setdefault(table, []).extend(row.model_copy(update={"producer": name}) for row in mine)

    def _sold_together(self, producer: str, name: str) -> None:
        """What a project sells to the reserve, sold by its part that was signed too: both together sell no more than it did."""
        for k, row in enumerate(self.rows.get("offers", [])[:]):
            if row.source_producer == producer:
                if row.seller is None:
                    self.add("sellers", seller=row.offer, from_year=self.first, depth_t_per_yr=row.depth_t_per_yr)
                shared = row.model_copy(update={"seller": row.seller or row.offer})
                own = {"offer": self._new(f"{row.offer}-{name}", "offer"), "source_producer": name}
                self.rows["offers"][k] = shared
                self.rows["offers"].append(shared.model_copy(update=own))

    def contract(self, source: int, start: int, end: int, tonnes: float) -> None:
        """A contract: the part of the source that it reserves serves home users alone until it ends."""
        n, per_yr = self.n, tonnes / self.calendar.step
        activity = n.producers[source]
        signed_year = self.calendar.first_year + start // self.calendar.per_year
        first_free = self.calendar.first_year + math.ceil(end / self.calendar.per_year)
        if first_free <= self.first:
            return  # it has ended
        name = self._new(f"{activity}-contract-{signed_year}", "activity")
        row = next(row for row in self.rows["activities"] if row.activity == activity)
        unset = "kappa_low kappa_high lot_t_per_yr fee_usd_per_kg_low fee_usd_per_kg_high term_yr".split()
        unset += [f"{share}_{end}" for share in ("honoured_share", "sold_share") for end in ("low", "high")]
        arrives = row.kappa + (1 - row.kappa) * row.honoured_share
        update = {"activity": name, "name": f"{row.name}, under contract", "kappa": arrives, "fee_usd_per_kg": 0.0}
        update |= {"honoured_share": 1.0, "sold_share": 0.0}
        self.rows["activities"].append(row.model_copy(update={**dict.fromkeys(unset), **update}))
        self._copied(activity, name)
        mine = sorted((r for r in self.rows["capacities"] if r.activity == activity), key=lambda r: r.from_year)
        left = max(0.0, mine[-1].capacity_t_per_yr - per_yr)
        sold = min(1.0, row.sold_share * mine[-1].capacity_t_per_yr / left) if left > 0 else 1.0
        of_others = {"sold_share": sold, "sold_share_low": None, "sold_share_high": None} if row.sold_share > 0 else {}
        self.rows["activities"] = [
            r.model_copy(update=of_others) if r.activity == activity else r for r in self.rows["activities"]
        ]
        self.rows["capacities"] = [r for r in self.rows["capacities"] if r.activity != activity]
        ends_in = max(self.first, self.calendar.first_year + end // self.calendar.per_year)
        left_over = (end % self.calendar.per_year) / self.calendar.per_year  # of its last year, spread over it
        self.parts[activity].append(name)
        dated = {min(self.first, mine[0].from_year), self.first, ends_in, first_free}
        dated |= {r.from_year for r in mine if r.from_year > self.first}
        for year in sorted(dated):
            now = next((r for r in reversed(mine) if r.from_year <= year), mine[0])
            reserved = min(per_yr, now.capacity_t_per_yr) * (left_over if year == ends_in else year < first_free)
            share = reserved / now.capacity_t_per_yr if now.capacity_t_per_yr > 0 else 0.0
            for to, part in ((activity, 1 - share), (name, share)):
                sizes = {name: None if (v := getattr(now, name)) is None else part * v for name in CAPACITIES}
                self.rows["capacities"].append(now.model_copy(update={"activity": to, "from_year": year, **sizes}))
        commitment = self._new(f"{activity}-contract-{signed_year}", "commitment")
        self.add(
            "commitments",
            commitment=commitment,
            kind="contract",
            item=activity,
            producer=name,
            signed_year=signed_year,
            from_year=self.date(start),
            until_year=self.date(end),
        )
        fees = np.zeros(end)
        fees[start:] = float(n.contract_fee[source]) * tonnes
        self._payments(commitment, "fee", self.by_year(fees))

    def market_floor(self, m: int) -> None:
        """A market floor: every existing producer that it covers has it until it ends."""
        market = self._market(m)
        signed = {self.n.projects[option.project].producer for option, _ in self.state.packages}
        cells = self._floor_cells(market.floor, 0)
        if cells["floor_until_year"] <= self.first:
            return
        known = {row.activity for row in self.rows["activities"]}
        for j in np.flatnonzero(market.eligible):
            name = self.n.producers[j]
            if j in signed or name not in known:
                continue  # a plant under support has it by its package
            self.add(
                "commitments",
                commitment=self._new(f"{name}-{market.name}", "commitment"),
                kind="market_floor",
                item=self.n.materials[market.floor.material],
                package=market.name,
                producer=name,
                signed_year=self.calendar.first_year,
                **cells,
            )

    def closures(self) -> None:
        """Sources that are shut make nothing until they may restart."""
        closed = [(j, date) for source, date in self.state.closed.items() for j in (source, *self.parts[source])]
        for activity, date in closed:
            opens = math.ceil(date - 1e-9)
            mine = sorted((r for r in self.rows["capacities"] if r.activity == activity), key=lambda r: r.from_year)
            now = next((r for r in reversed(mine) if r.from_year <= opens), mine[0] if mine else None)
            if now is None or opens <= self.first:
                continue
            kept = [
                r for r in self.rows["capacities"] if r.activity != activity or not self.first <= r.from_year <= opens
            ]
            shut = {**dict.fromkeys(CAPACITIES), "capacity_t_per_yr": 0.0}
            self.rows["capacities"] = [
                *kept,
                now.model_copy(update={"from_year": self.first, **shut}),
                now.model_copy(update={"from_year": opens}),
            ]

    def stocks(self) -> None:
        """Stock in store, and where it is from: what leaves it leaves of all origins alike."""
        before: dict[str, dict[str, float]] = defaultdict(dict)
        for row in self.rows.get("stock_origins", []):
            before[row.material][row.from_country] = row.stock_t
        opening = {row.material: row.opening_t for row in self.rows.get("stock", [])}
        for material, tonnes in opening.items():
            unknown = tonnes - sum(before[material].values())
            if unknown > SMALL:
                before[material][UNKNOWN] = before[material].get(UNKNOWN, 0.0) + unknown
        for (material, origin), tonnes in self.state.bought.items():
            before[material][origin or UNKNOWN] = before[material].get(origin or UNKNOWN, 0.0) + tonnes
        planned = set(self.n.materials)
        self.rows["stock"] = [row for row in self.rows.get("stock", []) if row.material not in planned]
        self.rows["stock_origins"] = [row for row in self.rows.get("stock_origins", []) if row.material not in planned]
        for material, tonnes in self.state.stock.items():
            if tonnes <= SMALL:
                continue
            self.add("stock", material=material, opening_t=tonnes, carried=True)
            whole = sum(before[material].values())
            for origin, part in sorted(before[material].items()):
                if whole > 0 and part > SMALL:
                    self.add("stock_origins", material=material, from_country=origin, stock_t=part / whole * tonnes)

    def users(self) -> None:
        """Users' own stocks at the level of the plan that they were reckoned for, and what they lack."""
        if not self.n.users:
            return
        planned = set(self.n.materials)
        old = {(row.material, row.segment): row for row in self.rows["users_stock"]}
        self.rows["users_stock"] = [row for row in self.rows["users_stock"] if row.material not in planned]
        for (i, q), level in zip(self.n.users, self.n.users_level, strict=True):
            material, segment = self.n.materials[i], self.n.demands[q][1] if q >= 0 else "*"
            base = self.n.materials[self.n.form_of[i]]  # of users of a qualified form the row is that of its material
            row = old.get((base, segment)) or old[base, "*"]
            lacking = self.state.users_missing.get((material, "" if q < 0 else segment), 0.0)
            update = dict.fromkeys("level_months level_months_low level_months_high level_t_low level_t_high".split())
            update |= {"segment": segment, "level_t": float(level), "missing_share": lacking}
            self.rows["users_stock"].append(row.model_copy(update=update))

    def qualified(self) -> None:
        """Makers that are being qualified are nearer to it."""
        passed, ends = self.first - self.calendar.first_year, ("lead_yr", "lead_yr_low", "lead_yr_high")

        def left(row: Any) -> dict[str, float | None]:
            return {name: None if (v := getattr(row, name)) is None else max(0.0, v - passed) for name in ends}

        rows = self.rows.get("qualifications", [])
        self.rows["qualifications"] = [row.model_copy(update=left(row)) for row in rows]

    def finished(self) -> Rows:
        """The tables without what is over."""
        self.rows["offers"] = [
            row for row in self.rows.get("offers", []) if row.until_year is None or row.until_year > self.first
        ]
        self.rows["payments_due"] = [row for row in self.rows.get("payments_due", []) if row.fiscal_year >= self.first]
        paid = {row.commitment for row in self.rows["payments_due"]}
        self.rows["commitments"] = [
            row
            for row in self.rows.get("commitments", [])
            if row.commitment in paid
            or (
                row.floor_usd_per_kg is not None and (row.floor_until_year is None or row.floor_until_year > self.first)
            )
            or (row.until_year is None or row.until_year > self.first)
        ]
        return self.rows
