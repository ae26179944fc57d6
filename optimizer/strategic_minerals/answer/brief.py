"""The answer on one screen, in the order in which a minister asks: what to sign, to hold, to decide later, and what that hangs on.

Where samples have tested a plan, every figure is of the futures that it was lived through. Otherwise the answer says so, and the
figures are those of the plan's own scenarios.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import pandas as pd

from ..audit.figures import Figures
from ..core.formats import SMALL_MUSD, amount, capital, percent, rounded, within
from ..core.frames import rows_of
from ..question.names import Names
from ..question.plan import Plan
from .notes import Basis, floor_in_words

WIDTH, LINES = 100, 30
"""Of the screen."""
MOST_STEPS, MOST_HELD, MOST_YEARS, LEAST_HELD, LEAST_ROWS = 8, 5, 6, 2, 1
"""Rows and columns of its tables; targets give way to steps down to `LEAST_HELD`, and at last all keeps `LEAST_ROWS`."""
NAMED = 2
"""Things that a sentence names before it counts the rest."""
LARGE_SHARE = 0.25
"""Share of the worth from which on the first sentences say what it hangs on."""
NEARLY_ALONE = 0.05
"""Share of its capital up to which a supported plant nearly builds itself."""
DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "offtake:", "floor": "price floor:"}
UNITS = {"t": " t", "t/yr": " t a year"}
SIGNED = 1e-6
LEAST_SHOWN = 0.095
"""Million USD from which on a sum is written out."""
FREE = "free to choose: no gain shown"


@dataclass(frozen=True)
class Step:
    """One thing to do in the first year."""

    what: str
    amount: str
    whom: str
    """Countries, the largest part first."""
    musd: float
    """What it takes from the budgets of all years [million USD]."""
    why: str


@dataclass(frozen=True)
class Held:
    """A target of the reserve."""

    material: str
    targets: tuple[float, ...]
    """At the end of the years of the brief [t]."""
    days: float
    """Of use at home that the largest covers; NaN where nobody uses it."""


@dataclass(frozen=True)
class Brief:
    """What an answer says first."""

    title: str
    recommendation: str
    year: str
    """Of the steps."""
    steps: tuple[Step, ...]
    """What has to be signed first, then what one is free to choose; each by money, the largest first."""
    years: tuple[int, ...]
    held: tuple[Held, ...]
    """By money, the largest first."""
    release: str
    """The rule of release and refill; empty where nothing is held."""
    points: tuple[tuple[str, str], ...]
    """(heading, text) of what follows."""
    answers: tuple[tuple[str, str], ...]
    """(question, answer) on what the planner has put into the question."""

    def text(self) -> str:
        """As it is printed: at most `LINES` lines of `WIDTH` characters, then the answers to the planner's own questions."""
        head = [self.title, *wrap(self.recommendation, WIDTH)]
        tail = [_paragraph(name, text) for name, text in self.points]
        release = _paragraph("", self.release) if self.release else []
        room = LINES - len(head) - sum(map(len, tail)) - len(release) - 1
        steps = min(len(self.steps), MOST_STEPS)
        held = min(len(self.held), MOST_HELD)
        while _rows(self.steps, steps) + _rows(self.held, held) > room and max(steps, held) > LEAST_ROWS:
            steps, held = (steps, held - 1) if held > LEAST_HELD or steps == LEAST_ROWS else (steps - 1, held)
        blocks = [head, [*self._steps(steps)], [*self._held(held), *release], *tail, [WHERE_MORE]]
        apart = sum(map(len, blocks)) + len(blocks) - 1 <= LINES
        screen = ("\n\n" if apart else "\n").join("\n".join(block) for block in blocks)
        asked = [line for name, text in self.answers for line in _paragraph(f"{capital(name)}:", text)]
        return "\n".join([screen, *([] if not asked else ["", "YOUR QUESTIONS", *asked])])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Its tables as text, by heading; those that have rows."""
        steps = [(one.what, one.amount, one.whom, money(one.musd), one.why) for one in self.steps]
        held = [(one.material, *map(_tonnes, one.targets), _days(one.days)) for one in self.held]
        years = [f"FY{year}" for year in self.years]
        found = {
            f"Sign and buy in {self.year}": pd.DataFrame(steps, columns=["what", "how much", "from", "M USD", "why"]),
            "Hold, tonnes at the end of": pd.DataFrame(held, columns=["material", *years, "lasts"]),
        }
        return {head: table for head, table in found.items() if len(table)}

    def _steps(self, most: int) -> Iterator[str]:
        if not self.steps:
            yield "SIGN AND BUY this year: nothing."
            return
        yield from _printed(self.tables(), "Sign", most, "<><><")
        if len(self.steps) > most:
            left = money(sum(one.musd for one in self.steps[most:]))
            yield f"  and {len(self.steps) - most} smaller, {left} M USD together"

    def _held(self, most: int) -> Iterator[str]:
        if not self.held:
            yield "HOLD: nothing."
            return
        yield from _printed(self.tables(), "Hold", most, "<" + ">" * (len(self.years) + 1))
        if len(self.held) > most:
            yield f"  and {len(self.held) - most} more"


WHERE_MORE = "More: --full. Why: `explain`. A page to pass on: `report`. Each year and after any event: `roll`."


def _rows(of: Sequence[object], shown: int) -> int:
    """Lines of a table."""
    return 1 + shown + (len(of) > shown)


def _paragraph(name: str, text: str) -> list[str]:
    """A heading and its text, wrapped; a text without a heading stands below what is above it."""
    return wrap(f"{name} {text}".strip(), WIDTH, initial_indent="" if name else "  ", subsequent_indent="  ")


def _printed(tables: Mapping[str, pd.DataFrame], begins: str, most: int, sides: str) -> Iterator[str]:
    """Lines of a table, its heading in the place of its first column's name, and that as wide as is left."""
    heading = next(head for head in tables if head.startswith(begins))
    table = tables[heading]
    verb, rest = heading.split(" in ")[0].split(",")[0], heading
    cells = [(rest.replace(verb, verb.upper(), 1), *table.columns[1:]), *table.head(most).itertuples(index=False)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    for k in (0, -1):  # names are cut first, then reasons
        others = sum(widths) - widths[k] + 2 * (len(widths) - 1)
        widths[k] = min(widths[k], max(12, WIDTH - others))
    for row in cells:
        parts = [f"{_cut(cell, n):{side}{n}}" for cell, n, side in zip(row, widths, sides, strict=True)]
        yield "  ".join(parts).rstrip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: max(0, most - 3)].rstrip()}..."


def money(musd: float) -> str:
    """Million USD in two figures, small sums as such."""
    return "< 0.1" if 0 < musd < LEAST_SHOWN else rounded(musd)


def _tonnes(value: float) -> str:
    return "-" if value < 1e-3 else amount(value, 2)


def _days(value: float) -> str:
    days = f"{value:,.0f}"
    return "" if math.isnan(value) else f"{days} day{'s' * (days != '1')}"


def some(names: Sequence[str], most: int = NAMED) -> str:
    """Names in a sentence, the first ones where there are many."""
    shown = [*names] if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"]
    return "".join(shown) if len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def lower(name: str) -> str:
    """A name within a sentence: germanium, NdFeB magnets."""
    first, _, _ = name.partition(" ")
    return name[:1].lower() + name[1:] if first[1:].islower() else name


def brief_of(
    plan: Plan, data_names: Names, figures: Figures, tables: Mapping[str, pd.DataFrame], basis: Basis
) -> Brief:
    """The brief of an answer that is a plan, from its tables."""
    told = _Told(plan, data_names, figures, tables, basis)
    steps = sorted(told.steps(), key=lambda one: (one.why == FREE, -one.musd))
    years, held = told.held()
    points = {
        "DECIDE BY:": told.later(),
        "IT HANGS ON:": told.hinges(),
        "ALREADY OWED:": told.owed(),
        "NOT PROTECTED:": told.unprotected(),
        "HOW SURE:": told.sure(),
    }
    asked = rows_of(tables["own_questions"]) if "own_questions" in tables else []
    return Brief(
        plan.title or plan.name,
        told.recommendation(held),
        told.first,
        tuple(steps),
        years,
        held,
        told.release() if held else "",
        tuple((name, text) for name, text in points.items() if text),
        tuple((row.question, row.answer) for row in asked),
    )


class _Told:
    """The sentences of a brief."""

    def __init__(
        self, plan: Plan, names: Names, figures: Figures, tables: Mapping[str, pd.DataFrame], basis: Basis
    ) -> None:
        self.plan, self.names, self.figures, self.tables, self.basis = plan, names, figures, tables, basis
        tested = basis.act_now
        self.tested = None if tested is None or tested.why_not else tested
        """What new futures say; None where they say nothing."""
        self.depends = tables.get("depends", pd.DataFrame())
        self.acts = pd.DataFrame() if self.tested is None else self.tested.acts
        done = self.acts[self.acts.chosen > 0] if len(self.acts) else self.acts
        began = int(done.through_year.min()) if len(done) else plan.horizon.first_year
        self.first = f"FY{began}"
        """Fiscal year of the steps."""
        self._year = began

    # What is done, and when.

    def steps(self) -> Iterator[Step]:
        """What to do in the first year."""
        if self.tested is None:
            yield from self._planned(self._year)
            return
        if self.acts.empty:
            return
        now = self.acts[(self.acts.through_year == self._year) & (self.acts.chosen > 0)]
        for row in rows_of(now):
            named = lower(str(row.what)) if row.kind in ("buy", "sell") else str(row.what)
            what, unit = named.removeprefix("offtake from "), UNITS.get(str(row.unit))
            much = "all of it" if row.chosen == 1 else percent(row.chosen)
            yield Step(
                f"{DOES[str(row.kind)]} {what}",
                much if unit is None else f"{amount(row.chosen)}{unit}",
                self._whom(str(row.kind), str(row.item)),
                float(row.budget_musd + row.later_musd),
                self._why(str(row.kind), str(row.item), str(row.verdict)),
            )

    def _planned(self, year: int) -> Iterator[Step]:
        """What a plan that nothing has tested does in a year."""
        bought = self.tables["acquisitions"]
        for code, rows in bought[bought.fiscal_year == year].groupby("material", sort=False):
            whom = self._whom("buy", str(code))
            tonnes, cost = float(rows.acquired_t.sum()), float(rows.cost_musd.sum())
            yield Step(f"buy {self._material(str(code))}", f"{amount(tonnes)} t", whom, cost, self._spares(str(code)))
        for row in self._signed():
            if _year(row.signed) == year:
                name = self.names.producer(row.project)
                cost = float(row.support_cost_musd + row.offtake_fees_musd)
                yield Step(f"support {name}", percent(row.share), "", cost, f"{row.instrument}".replace("_", " "))
        for row in rows_of(self.tables["contracts"]):
            if _year(row.start) == year:
                name, country = self.names.producer(row.activity), self.names.country(row.country)
                yield Step(
                    f"offtake: {name}",
                    f"{amount(row.contract_t_per_yr)} t a year",
                    country,
                    float(row.fees_musd),
                    f"for {row.term_yr:g} years",
                )
        for row in rows_of(self.tables["floors"]):
            if _year(row.start) == year:
                who, material = floor_in_words(row, self.names)
                cost = float(row.expected_cost_musd)
                yield Step(
                    f"price floor: {material}",
                    f"{row.level_usd_per_kg:g} USD/kg",
                    who,
                    cost,
                    f"for {row.term_yr:g} years",
                )

    def _signed(self) -> list[Any]:
        """Projects that the plan supports."""
        projects = self.tables["projects"]
        mine = projects[(projects.share > SIGNED) & (projects.package != "none")]
        return [*rows_of(mine)]

    def _spares(self, material: str) -> str:
        """What the material's part of the supply chain spares its users."""
        value = self.tables["value"]
        mine = value[[material in str(row).split() for row in value.materials]]
        spared = float(mine.shortage_avoided_musd.sum())
        return f"avoids {rounded(spared)} M of losses" if spared >= SMALL_MUSD else ""

    def _whom(self, kind: str, item: str) -> str:
        """Countries that it comes from."""
        if kind == "offtake":
            mine = self.tables["contracts"]
            codes = list(dict.fromkeys(mine.country[mine.activity == item]))
        elif kind == "buy":
            bought = self.tables["acquisitions"]
            mine = bought[(bought.material == item) & (bought.fiscal_year <= self._year)]
            by_country = mine.groupby("country").cost_musd.sum().sort_values(ascending=False, kind="stable")
            codes = list(by_country.index)
        else:
            codes = []
        return some([self.names.country(code) if code else "not published" for code in codes], 1) if codes else ""

    def _why(self, kind: str, item: str, verdict: str) -> str:
        """In five words: what leaving it out costs."""
        assert self.tested is not None
        if verdict == "free":
            return FREE
        mineral = self.basis.mineral_of.get(item, item)
        rows = self.tested.left_out
        mine = rows[(rows.kind == "mineral") & (rows.item == mineral)] if len(rows) else rows
        if mine.empty or pd.isna(mine.cost_musd.iloc[0]):
            return "a rule asks for it" if len(mine) and str(mine.why_not.iloc[0]) else "part of the best plan"
        return f"without it {rounded(float(mine.cost_musd.iloc[0]))} M worse"

    def held(self) -> tuple[tuple[int, ...], tuple[Held, ...]]:
        """(years, targets at their ends), what costs most first."""
        if self.tested is not None and len(self.tested.stock_by_year):
            table = self.tested.stock_by_year.rename(columns={"target_t": "stock_t"})
        else:
            table = self.tables["stock"].drop_duplicates(["fiscal_year", "material"], keep="last")
        wide = table.pivot(index="material", columns="fiscal_year", values="stock_t") if len(table) else table
        if wide.empty:
            return (), ()
        every = [int(year) for year in wide.columns]
        last = len(every) - 1
        years = sorted({every[round(k * last / (MOST_YEARS - 1))] for k in range(MOST_YEARS)} | {every[0]})
        cost, days = self.figures.items("bought_musd"), self.figures.items("peak_stock_days")
        order = sorted(wide.index, key=lambda code: (-cost.get(str(code), 0.0), str(code)))
        return tuple(years), tuple(
            Held(
                self.names.material(str(code)),
                tuple(float(wide.loc[code, y]) for y in years),
                days.get(str(code), math.nan),
            )
            for code in order
            if wide.loc[code].max() > 1e-3
        )

    def release(self) -> str:
        """The rule of release and refill, with its tonnes for what is held most."""
        rule = self.basis.release
        if rule is None:
            return "Released and refilled as the further course of a disruption, once it has begun, makes best."
        aside = pd.DataFrame() if self.tested is None else self.tested.release
        kept = ", then others what its users will not need"
        if len(aside):
            cost = self.figures.items("bought_musd")
            code = max(aside.material.unique(), key=lambda one: (cost.get(one, 0.0), one))
            last = aside[(aside.material == code) & (aside.aside_t > 0)].sort_values("aside_t")
            if len(last):
                row = last.iloc[-1]
                kept = f", {row.segment} users of {self._material(code)} in full once {rounded(row.aside_t)} t are left"
        fill = "" if rule.refill_share == 1 else f" to {percent(rule.refill_share)}"
        return f"Release: dearest use first{kept}. Then refill{fill}."

    def later(self) -> str:
        """What comes after the first year, what would tell, and what waiting costs."""
        found = [*self._later_acts()]
        text = f"{'; '.join(found)}." if found else "nothing later as things stand."
        return f"{text}{self._waiting()}"

    def _later_acts(self) -> Iterator[str]:
        """Signatures after the first year, by year."""
        by_year: dict[int, list[tuple[float, str]]] = {}
        for start, rows in self.tables["contracts"].groupby("start", sort=True):
            by_year.setdefault(_year(start), []).extend(self._offtakes(rows))
        for row in self._signed():
            name = self.names.producer(row.project)
            by_year.setdefault(_year(row.signed), []).append((float(row.support_cost_musd), f"support {name}"))
        for row in rows_of(self.tables["floors"]):
            who, material = floor_in_words(row, self.names)
            by_year.setdefault(_year(row.start), []).append(
                (float(row.expected_cost_musd), f"a floor for {material} ({who})")
            )
        for year in sorted(year for year in by_year if year > self._year):
            parts = sorted(by_year[year], key=lambda part: -part[0])
            total = sum(cost for cost, _ in parts)
            yield f"FY{year} {some([what for _, what in parts])} ({money(total)} M)"
        bought = self.tables["acquisitions"]
        after = bought[bought.fiscal_year > self._year]
        if len(after):
            by_material = after.groupby("material").cost_musd.sum().sort_values(ascending=False, kind="stable")
            names = [self._material(str(code)) for code in by_material.index]
            years = f"FY{after.fiscal_year.min()}" + (
                "" if after.fiscal_year.nunique() == 1 else f" to FY{after.fiscal_year.max()}"
            )
            yield f"{years} buy {some(names)} up to target ({money(float(by_material.sum()))} M)"

    def _offtakes(self, contracts: pd.DataFrame) -> list[tuple[float, str]]:
        """(fees, words) of contracts, those for one material together, the dearest first."""
        found: dict[str, dict[str, float]] = {}
        for row in rows_of(contracts):
            countries = found.setdefault(self.basis.mineral_of.get(str(row.activity), str(row.activity)), {})
            countries[row.country] = countries.get(row.country, 0.0) + float(row.fees_musd)
        words = []
        for material, fees in found.items():
            where = some([self.names.country(code) for code in sorted(fees, key=lambda code: -fees[code])])
            kind = "an offtake" if len(fees) == 1 else "offtakes"
            words.append((sum(fees.values()), f"{kind} of {self._material(material)} from {where}"))
        return sorted(words, key=lambda pair: -pair[0])

    def _material(self, code: str) -> str:
        """A material's name within a sentence."""
        return lower(self.names.material(code))

    def _waiting(self) -> str:
        rows = pd.DataFrame() if self.tested is None else self.tested.left_out
        waits = list(rows_of(rows[rows.kind == "wait"])) if len(rows) else []
        if not waits:
            return ""
        if waits[0].why_not:
            return " No plan that waits keeps the rules."
        costs = [(int(row.years), float(row.cost_musd)) for row in waits if not row.why_not]
        first = "costs nothing that shows" if not waits[0].needed else f"costs {rounded(costs[0][1])} M"
        rest = f", {costs[-1][0]} years {rounded(costs[-1][1])} M" if len(costs) > 1 and waits[-1].needed else ""
        return f" Doing nothing new for a year {first}{rest}."

    # What it costs and protects, and what that hangs on.

    @property
    def _worth(self) -> float:
        return self.figures.value("worth_musd") if self.tested is None else self.tested.figure("worth_musd")

    def recommendation(self, held: Sequence[Held]) -> str:
        """What the policy is, what it costs, what it protects, and what more than a quarter of it hangs on."""
        parts = []
        if held:
            parts.append(f"hold {some([lower(one.material) for one in held])} in reserve")
        contracts = self._offtakes(self.tables["contracts"])
        if contracts:
            parts.append(f"sign {some([words for _, words in contracts], 1)}")
        projects = list(dict.fromkeys(row.project for row in self._signed()))
        if projects:
            parts.append(f"support {some([self.names.producer(name) for name in projects])}")
        floors = self.tables["floors"]
        if len(floors):
            parts.append(
                f"guarantee {some([floor_in_words(row, self.names)[1] for row in rows_of(floors)])} a price floor"
            )
        sentences = [*self._status()]
        deed = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
        if not deed:
            none = "Do nothing new: nothing on offer is worth what it costs."
            deed = "Nothing was found that is worth what it costs." if self.basis.reason in UNPROVEN else none
            sentences += [deed, self._protects(), self._untested()]
            return " ".join(sentence for sentence in sentences if sentence)
        sentences += [f"{capital(deed)}: {self._cost()}.", self._protects(), *self._large(), self._untested()]
        return " ".join(sentence for sentence in sentences if sentence)

    def _status(self) -> Iterator[str]:
        """What a reader has to know before any figure."""
        if self.basis.audit_word == "FAILED":
            yield "NOT TO BE USED: the independent audit objects."
        if self.basis.reason in UNPROVEN:
            yield f"NOT PROVEN BEST: {UNPROVEN[self.basis.reason]}."
        if self.tested is None and self.plan.sample is not None and self.basis.act_now is None:
            yield "QUICK ANSWER, not tested in other scenarios."

    def _untested(self) -> str:
        """Of which scenarios the figures are, where nothing new was lived."""
        if self.tested is not None:
            return ""
        why = "" if self.basis.act_now is None else f" ({self.basis.act_now.why_not})"
        return f"These figures are of the plan's own {self.basis.counts['scenarios']:,} scenarios, not tested in others{why}."

    def _cost(self) -> str:
        """Money of the planned years against what is given."""
        given, most = self.figures.total("appropriation_by_year_musd"), self.plan.budget.total_musd
        given = given if most is None else min(given, most)
        first, last = self.plan.horizon.first_year, self.plan.horizon.first_year + self.plan.horizon.years - 1
        years = f"FY{first}-{last}" if last > first else f"FY{first}"
        if self.tested is None:
            gross = self.figures.total("outlay_by_year_musd")
            net = gross - self.figures.value("sales_musd") * self.plan.budget.revolving
            sold = ", net of what sales bring back" if net < gross - SMALL_MUSD else ""
            return f"{within(net, given)} million USD (M){sold} of {amount(given)} M for {years}"
        whole = self.tested.money_by_year.iloc[-1]
        spent = within(float(whole.expected_musd), given)
        between = (
            f"{within(float(whole.low_musd), given)} to {within(float(whole.high_musd), given)} in nine of ten futures"
        )
        return f"about {spent} million USD (M) of {amount(given)} M for {years} ({between})"

    def _protects(self) -> str:
        before, after, worth = self._losses()
        if before < SMALL_MUSD:
            return "No future of this plan has a shortage."
        money = f"{self.plan.price_year} money, discounted, losses by {_function(self.plan)}"
        if abs(worth) < SMALL_MUSD and abs(before - after) < SMALL_MUSD:
            return f"Shortages are expected to cost {rounded(before)} M ({money}) with the plan or without it."
        spread, ends = 0.0, ""
        if self.tested is not None:
            low, high = (self.tested.figure(f"worth_{end}_musd") for end in ("low", "high"))
            spread = high - low
            ends = f" ({rounded(low, spread)} to {rounded(high, spread)})"
        return (
            f"Expected shortage losses fall from {rounded(before)} to {rounded(after)} M; net of all costs it is worth "
            f"{rounded(worth, spread)} M{ends} more than doing nothing ({money})."
        )

    def _losses(self) -> tuple[float, float, float]:
        if self.tested is None:
            names = ("expected_loss_without_musd", "expected_loss_musd", "worth_musd")
            before, after, worth = (self.figures.value(name) for name in names)
        else:
            before, after, worth = (self.tested.figure(f"{name}_musd") for name in ("loss_without", "loss", "worth"))
        return before, after, worth

    def _large(self) -> Iterator[str]:
        """One item on which more than a quarter of the worth hangs, and where that ends."""
        table = self.depends
        mine = (
            table[(table.kind == "mineral") & (table.worth_musd > LARGE_SHARE * self._worth)] if len(table) else table
        )
        if mine.empty or self._worth <= 0:
            return
        code = str(mine.sort_values("worth_musd", ascending=False, kind="stable").item.iloc[0])
        of = mine[mine.item == code]
        share = min(1.0, float(of.worth_musd.iloc[0]) / self._worth)
        where = next(iter(sorted(_flipping(of), key=_distance)), None)
        till = ""
        if where is not None:
            till = f", which {_verb(self._material(code))} paying where {self._flip(where)}"
        yield f"{share:.0%} of that hangs on {self._material(code)}{till}."
        for row in self._signed():
            gap = float(row.financing_gap_musd)
            if 0 < gap <= NEARLY_ALONE * float(row.capex_musd) and self.basis.mineral_of.get(str(row.project)) == code:
                name = self.names.producer(row.project)
                yield f"{name} is {money(gap)} M of {rounded(row.capex_musd)} M short of being built without support."

    def hinges(self) -> str:
        """The figures at which the recommendation flips, the nearest first; where the plan was not tested, the widest estimates."""
        if self.depends.empty:
            wide = [f"{words}" for words in self.basis.widest[:NAMED]]
            return f"figures that nobody knows well: {'; '.join(wide)}." if wide else ""
        rows = sorted(_flipping(self.depends), key=lambda row: (not _inside(row), _distance(row)))
        near = [row for row in rows if _inside(row) or _distance(row) < FAR]
        by_figure = {(row.figure, row.hazard): row for row in reversed(near or rows[:1])}
        shown: dict[str, list[str]] = {}
        for row in sorted(by_figure.values(), key=rows.index)[:MOST_FLIPS]:
            shown.setdefault(self._part(row), []).append(self._flip(row))
        found = [f"{part} {_verb(part)} paying where {' or where '.join(flips)}" for part, flips in shown.items()]
        if THE_PLAN not in shown:
            loss = next((row for row in rows if row.kind == "plan" and row.figure == "loss"), None)
            down = (
                f"down to {percent2(loss.flips_at)} of the loss assumed for a tonne"
                if loss is not None
                else "at any loss"
            )
            found.insert(0, f"the plan as a whole pays {down}, and at any rate of disruptions within reach")
        band = pd.DataFrame() if self.tested is None else self.tested.band
        if len(band):
            low, high = rounded(float(band.worth_musd.min())), rounded(float(band.worth_musd.max()))
            count = f"{band.loss.nunique()} published losses and {band.belief.nunique()} beliefs"
            found.append(f"by {count} it is worth {low} to {high} M (`regret`: the plan that stands under all)")
        return f"{'; '.join(found)}."

    def _part(self, row: Any) -> str:
        if row.kind == "plan":
            return THE_PLAN
        name = self._material(str(row.item)) if row.kind == "mineral" else f"the {row.item}"
        return f"{name} ({rounded(row.worth_musd)} M)"

    def _flip(self, row: Any) -> str:
        """Where a part stops paying, and how far that is."""
        name, low, high = self.names.hazard(str(row.hazard)), float(row.low), float(row.high)
        less = row.flips_at < row.value
        if row.figure == "loss":
            span = f"others: {low:.2g} to {high:.3g} times" if high > low else "no other estimate"
            change = "below" if less else "above"
            return f"a tonne's loss is {change} {percent2(row.flips_at)} of the one assumed ({span})"
        if row.figure == "probability":
            what = "any of the listed scenarios" if row.hazard == "*" else f"'{self._scenario(str(row.hazard))}'"
            change = "less" if less else "more"
            return f"{what} is {change} likely than {percent2(row.flips_at)} (assumed {percent2(row.value)})"
        every = (row.flips_at, row.value, low, high)
        if row.figure == "rate_per_yr":
            said = [f"once in {rounded(1 / value)} years" if value > 0 else "never" for value in every]
            text = f"'{name}' comes {'less' if less else 'more'} often than"
        else:
            said = [percent2(value) for value in every]
            text = f"'{name}' follows on others in {'fewer' if less else 'more'} cases than"
        span = "" if math.isnan(low) or math.isnan(high) else f", range {said[2]} to {said[3]}"
        return f"{text} {said[0]} (assumed {said[1]}{span})"

    def _scenario(self, code: str) -> str:
        """What happens in a listed scenario."""
        return self.basis.scenarios.get(code, code).removeprefix(f"{code} (").removesuffix(")")

    def owed(self) -> str:
        """What money is due for what was decided before."""
        before = float(self.tables["budget"].signed_before_musd.sum())
        parts = [f"{money(before)} M for what was signed before this plan"] * (before >= SMALL_MUSD)
        parts += [note.rstrip(".") for note in self.basis.owed]
        liability = max(self.figures.items("liability_by_year_musd").values(), default=0.0)
        parts += [f"up to {money(liability)} M a year that price floors may cost"] * (liability >= SMALL_MUSD)
        projects = self.tables["projects"]
        standing = list(dict.fromkeys(projects.project[projects.committed.astype(bool)]))
        run_on = f"; {some([self.names.producer(name) for name in standing], 1)} go on without new money"
        return f"{'; '.join(parts) or 'nothing'}{run_on * bool(standing)}."

    def unprotected(self) -> str:
        """What is still lost, by whom, and in a bad future."""
        if self.tested is None:
            left = {m: v for m, v in self.figures.items("remaining_loss_musd").items() if m not in self.basis.embedded}
            chance, loss, without = (
                self.figures.items(name) for name in ("probability", "loss_musd", "loss_without_musd")
            )
            worst = max(loss, key=lambda name: loss[name], default="")
            bad = ""
            if worst and loss[worst] >= SMALL_MUSD:
                what = f"{self._scenario(worst)}, {percent(chance[worst])} likely"
                bad = f"; worst: {what}, {rounded(loss[worst])} M ({rounded(without[worst])} without the plan)"
            short = sum(chance[name] for name, tonnes in self.figures.items("defence_short_t").items() if tonnes > 1e-3)
            before = math.nan
        else:
            table, curve = self.tested.remaining, self.tested.loss_curve
            left = dict(zip(table.material, table.loss_musd, strict=True)) if len(table) else {}
            left = {m: v for m, v in left.items() if m not in self.basis.embedded}
            row = next(row for row in rows_of(curve) if math.isclose(row.chance, ONE_IN_TWENTY))
            lost, without_plan = rounded(row.loss_musd), rounded(row.loss_without_musd)
            bad = f"; one future in 20 loses over {lost} M ({without_plan} without)"
            short, before = self.tested.figure("defence_short"), self.tested.figure("defence_short_without")
        total = self._losses()[1]
        if total < SMALL_MUSD:
            return ""
        ranked = sorted(left.items(), key=lambda pair: -pair[1])
        named = [f"{self._material(m)} {rounded(v)}" for m, v in ranked[:NAMED] if v >= SMALL_MUSD]
        mostly = f" ({', '.join(named)})" if named else ""
        others = "" if math.isnan(before) else f" ({percent2(before)} without)"
        defence = (
            f" Defence runs short in {percent2(short)} of futures{others}."
            if short > 0
            else " Defence never runs short."
        )
        return f"{rounded(total)} M of expected losses remain{mostly}{bad}.{defence}"

    def sure(self) -> str:
        """How sure the answer is, in words that need no statistics."""
        estimates = f"{self.basis.estimates:,} of its {self.basis.facts + self.basis.estimates:,} figures are estimates"
        seen = f"; losses are above what was seen allows for ({self.basis.replayed[0]})" if self.basis.replayed else ""
        checked = "; a second program checked every sum" if self.basis.audit_word == "passed" else ""
        tail = f"{estimates}{seen}{checked}."
        if self.tested is None:
            proven = {
                "optimal": "no plan is better in its own scenarios",
                "within_gap": "next to no plan is better in its own scenarios",
            }
            return f"{proven.get(self.basis.reason, 'better plans may exist')}; {tail}"
        tested = self.tested
        count = int(tested.figure("samples") * tested.figure("scenarios"))
        most = ""
        if bool(tested.gap.most_says.iloc[0]):
            most = f"; no policy, even all-knowing, is worth over {rounded(tested.figure('most_musd'))} M"
        return f"it was lived through {count:,} new futures that nobody foresees{most}; {tail}"


THE_PLAN = "the plan as a whole"
ONE_IN_TWENTY = 0.05
MOST_FLIPS, FAR = 3, math.log(8.0)
"""Figures that an answer is said to hang on; a flip is far where the figure would have to be eight times as high or as low."""
UNPROVEN = {
    "stalled": "the solver gave no answer in part of the search",
    "time_limit": "the time limit ended the search",
    "interrupted": "the search was interrupted",
}


def _function(plan: Plan) -> str:
    """A loss function's code as one reads it: `usgs_2025` -> `USGS 2025`, with the end of its range where it is one."""
    parts = [part.upper() if len(part) <= 4 else part for part in plan.loss_function.split("_")]
    code = plan.loss_function if len(parts) == 1 else " ".join(parts)
    return code if plan.loss_level == "central" else f"{code} ({plan.loss_level} end)"


def _verb(subject: str) -> str:
    """Stop or stops, as the subject asks: NdFeB magnets stop, yttrium oxide stops."""
    return "stop" if subject.split(" (")[0].endswith("s") else "stops"


def percent2(share: float) -> str:
    """A share with two figures; never 0 % for what can happen."""
    return percent(float(f"{share:.2g}"))


def _flipping(table: pd.DataFrame) -> list[Any]:
    """Rows of figures at which something flips."""
    return [row for row in rows_of(table) if not math.isnan(row.flips_at) and row.flips_at > 0]


def _inside(row: Any) -> bool:
    """Whether the flip lies in the range that the tables give for the figure."""
    return bool(row.low <= row.flips_at <= row.high)


def _distance(row: Any) -> float:
    return abs(math.log(row.flips_at / row.value))


def _year(text: Any) -> int:
    """Fiscal year of a period's name, such as 2027 or 2027-2."""
    return int(str(text)[:4])
