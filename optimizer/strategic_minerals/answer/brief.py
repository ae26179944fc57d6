"""The answer on one screen, in the order in which a minister asks: what to sign, to hold, to decide later, and what that hangs on.

Where samples have tested a plan, every figure is of the futures that it was lived through. Otherwise the answer says so, and the
figures are those of the plan's own scenarios."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import pandas as pd

from ..audit.figures import Figures
from ..core.formats import (
    LEAST_SHOWN,
    NAMED,
    SMALL_MUSD,
    amount,
    capital,
    chance,
    lower,
    money,
    odds,
    percent,
    rounded,
    some,
    within,
)
from ..core.frames import rows_of
from ..core.stats import DAYS_PER_YEAR, MONTHS_PER_YEAR, TRACE_T
from ..question.names import amount_in_words, column_in_words
from ..question.plan import Plan
from ..question.together import ALL
from ..world.events import UNNAMED
from ..world.instance import CHOSEN
from .act_now import BEGINS, OF_SOURCES, STOPS, flip_in_words, flipping, scenario_in_words
from .notes import Basis, come_with, floor_in_words
from .year import UNPAID, fiscal_year_of, package_in_words

WIDTH, LINES = 100, 30
"""Of the screen."""
MOST_ANSWERS = 12
"""Own questions that are answered below the screen; a table has all."""
MOST_STEPS, MOST_HELD, MOST_YEARS, LEAST_HELD, LEAST_STEPS = 8, 5, 6, 2, 4
"""Rows and columns of its tables: targets give way to steps, down to `LEAST_HELD` and `LEAST_STEPS` of each. Where even that is too
long, paragraphs end early."""
CUT = "LATER, ALREADY OWED, IT TURNS ON, NOT PROTECTED, HOW SURE, NOT PROTECTED, IT TURNS ON".split(", ")
CUTS = tuple(zip(CUT, (1, 1, 3, 2, 1, 1, 1), strict=True))
"""(paragraph, lines that it keeps) in the order in which they do: what comes later or is owed in any case first."""
LARGE_SHARE = 0.25
"""Share of the worth from which on the first sentences say what it hangs on."""
SMALL_PART = 0.05
"""Share of the worth below which nobody asks where a part of it ends."""
NEARLY_ALONE = 0.05
"""Share of its capital up to which a supported plant nearly builds itself."""
DOES = {"buy": "buy", "sell": "sell", "support": "support", "offtake": "offtake of", "floor": "price floor:"}
DEEDS = {"sell ": "sell", "buy ": "buy", "offtake of ": "sign offtakes of", "support ": "support"}
DEEDS |= {"approve ": "approve", "price floor: ": "guarantee a floor for"}
"""How a step begins -> what a sentence says of it."""
UNITS = {"t": " t", "t/yr": " t a year"}
FREE, ABOVE, OUT = "optional: no gain shown", "as above, together", "tests say: leave it out"
MONTHS_FROM = 120
"""Days of cover from which on they are months."""


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
    """Of use at home that the last of them covers; NaN where nobody uses it."""


@dataclass(frozen=True)
class Brief:
    """What an answer says first."""

    title: str
    recommendation: str
    year: str
    """Of the steps."""
    steps: tuple[Step, ...]
    """What has to be signed first, then what one is free to choose; what is for one material together, by what it adds to a tested
    plan, else by its money."""
    years: tuple[int, ...]
    held: tuple[Held, ...]
    """By money, the largest first."""
    release: str
    """The rule of release and refill; empty where nothing is held."""
    points: tuple[tuple[str, str], ...]
    """(heading, text) of what follows."""
    answers: tuple[tuple[str, str], ...]
    """(question, answer) on what the planner has put into the question."""
    explained: bool = True
    """Whether `explain` can solve the plan again."""

    def text(self) -> str:
        """As it is printed: at most `LINES` lines of `WIDTH` characters, then the answers to the planner's own questions."""
        head = [self.title, *wrap(self.recommendation, WIDTH)]
        full = [_paragraph(f"{name}:", text) for name, text in self.points]
        tail = [*full]
        release = _paragraph("", self.release) if self.release else []

        def over() -> bool:
            tables = _rows(self.steps, steps) + _rows(self.held, held)
            return len(head) + tables + len(release) + sum(map(len, tail)) + 1 > LINES

        steps = min(len(self.steps), MOST_STEPS)
        held = min(len(self.held), MOST_HELD)
        while over() and (held > LEAST_HELD or steps > LEAST_STEPS):
            steps, held = (steps, held - 1) if held > LEAST_HELD else (steps - 1, held)
        for name, least in CUTS:
            for k in (k for k, (called, _) in enumerate(self.points) if called == name):
                for most in range(len(tail[k]) - 1, least - 1, -1):
                    tail[k] = _cut(full[k], most) if over() else tail[k]
        more = [WHERE_MORE if self.explained else ON_FROM_HERE]
        blocks = [head, [*self._steps(steps)], [*self._held(held), *release], *tail, more]
        spaced = sum(map(len, blocks)) + len(blocks) - 1 <= LINES
        screen = ("\n\n" if spaced else "\n").join("\n".join(block) for block in blocks)
        shown, rest = self.answers[:MOST_ANSWERS], len(self.answers) - MOST_ANSWERS
        asked = [line for name, text in shown for line in _paragraph(f"{capital(name)}:", text)]
        asked += [f"And {rest} more in the table own_questions."] if rest > 0 else []
        return "\n".join([screen, *([] if not asked else ["", "YOUR QUESTIONS", *asked])])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Its tables as text, by heading; those that have rows."""
        steps = [(one.what, one.amount, one.whom, money(one.musd, "<"), one.why) for one in self.steps]
        held = [
            (one.material, *map(_tonnes, one.targets), _cover(one.days) if one.targets[-1] > TRACE_T else "")
            for one in self.held
        ]
        years = [f"FY{year}" for year in self.years]
        done = pd.DataFrame(steps, columns=["what", "how much", "from", "M in all", "why"])
        kept = pd.DataFrame(held, columns=["material", *years, "lasts"])
        found = {f"Sign and buy in {self.year}": done, "Hold, tonnes at the end of": kept}
        return {head: table for head, table in found.items() if len(table)}

    def _steps(self, most: int) -> Iterator[str]:
        if not self.steps:
            yield "SIGN AND BUY this year: nothing."
            return
        yield from _printed(self.tables(), "Sign", most, "<><><")
        if len(self.steps) > most:
            rest = len(self.steps) - most
            yield f"  and {rest} other{'s' * (rest > 1)}, {money(sum(one.musd for one in self.steps[most:]))} M together"

    def _held(self, most: int) -> Iterator[str]:
        if not self.held:
            yield "HOLD: nothing."
            return
        yield from _printed(self.tables(), "Hold", most, "<" + ">" * (len(self.years) + 1))
        if len(self.held) > most:
            yield f"  and {some([lower(one.material) for one in self.held[most:]])}"


UNTESTED = "QUICK ANSWER, not tested in other scenarios."
"""How the recommendation of a plan begins that no sample has tested."""
WHERE_MORE = "More: --full. Why: `explain`. A page to pass on: `report`. Each year and after any event: `roll`."
ON_FROM_HERE = "More: --full. A page to pass on: `report`. `roll` plans on by the plan's own losses and rules alone."
"""Of a plan that `explain` cannot solve again: rules beside the plan have settled it."""


def _rows(of: Sequence[object], shown: int) -> int:
    """Lines of a table."""
    return 1 + shown + (len(of) > shown)


def _cut(lines: Sequence[str], most: int) -> list[str]:
    """The first lines of a paragraph: to the end of a clause outside brackets, or of a word, with room for dots."""
    text = "\n".join(lines[:most]) + "\n"
    ends = [k for k, letter in enumerate(text) if letter in " \n" and text[:k].count("(") == text[:k].count(")")]
    ends = [k for k in ends if k - text.rfind("\n", 0, k) <= WIDTH - 3]
    clauses = [k - 1 for k in ends if text[k - 1] in ";."] or [k - 1 for k in ends if text[k - 1] == ","]
    return f"{text[: (clauses or ends)[-1]]} ...".split("\n")


def _paragraph(name: str, text: str) -> list[str]:
    """A heading and its text, wrapped; a text without a heading continues what is above it."""
    return wrap(f"{name} {text}".strip(), WIDTH, initial_indent="" if name else "  ", subsequent_indent="  ")


def _printed(tables: Mapping[str, pd.DataFrame], begins: str, most: int, sides: str) -> Iterator[str]:
    """Lines of a table, its heading in the place of its first column's name, and that as wide as is left."""
    heading = next(head for head in tables if head.startswith(begins))
    table = tables[heading]
    verb = heading.split(" in ")[0].split(",")[0]
    cells = [(heading.replace(verb, verb.upper(), 1), *table.columns[1:]), *table.head(most).itertuples(index=False)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    for k, least in ((-1, 34), (0, len(heading)), (-1, 12)):  # long reasons are cut first, then names
        others = sum(widths) - widths[k] + 2 * (len(widths) - 1)
        widths[k] = min(widths[k], max(least, WIDTH - others))
    for row in cells:
        fitting = (
            cell if len(cell) <= n else f"{cell[: max(0, n - 3)].rstrip()}..."
            for cell, n in zip(row, widths, strict=True)
        )
        yield "  ".join(f"{cell:{side}{n}}" for cell, n, side in zip(fitting, widths, sides, strict=True)).rstrip()


def _tonnes(value: float) -> str:
    return "-" if value < TRACE_T else amount(float(f"{value:.2g}"))


def _cover(days: float) -> str:
    """How long a stock lasts at today's use, in words."""
    if math.isnan(days):
        return ""
    if days >= MONTHS_FROM:
        return f"{days * MONTHS_PER_YEAR / DAYS_PER_YEAR:,.0f} months"
    count = f"{days:,.0f}"
    return f"{count} day{'s' * (count != '1')}"


HALF = 0.5
TRACE = 1e-3
"""Share of what is bought in all below which a purchase is what a solver leaves."""


def brief_of(plan: Plan, figures: Figures, tables: Mapping[str, pd.DataFrame], basis: Basis) -> Brief:
    """The brief of an answer that is a plan, from its tables."""
    sentences = _Sentences(plan, figures, tables, basis)
    years, held = sentences.held()
    steps = tuple(sentences.steps())
    points = {
        "LATER": sentences.later(),
        "IT TURNS ON": sentences.hinges(),
        "ALREADY OWED": sentences.owed(),
        "NOT PROTECTED": sentences.unprotected(),
        "HOW SURE": sentences.sure(),
    }
    asked = rows_of(tables["own_questions"]) if "own_questions" in tables else []
    return Brief(
        plan.title or plan.name,
        sentences.recommendation(held, steps),
        sentences.first,
        steps,
        years,
        held,
        sentences.release() if held else "",
        tuple((name, text) for name, text in points.items() if text),
        tuple((row.question, row.answer) for row in asked),
        not basis.extended,
    )


class _Sentences:
    """The sentences of a brief."""

    def __init__(self, plan: Plan, figures: Figures, tables: Mapping[str, pd.DataFrame], basis: Basis) -> None:
        self.plan, self.names, self.figures, self.tables, self.basis = plan, basis.names, figures, tables, basis
        tested = basis.act_now
        self.tested = tested if tested is not None and tested.lived else None
        """What was lived without foresight says; None where nothing was."""
        self.fresh = self.tested is not None and self.tested.fresh
        """Whether that was in new futures."""
        self.depends = tables.get("depends", pd.DataFrame())
        self.acts = pd.DataFrame() if self.tested is None else self._without_traces(self.tested.acts)
        done = self.acts[self.acts.chosen > 0] if len(self.acts) else self.acts
        began = int(done.through_year.min()) if len(done) else plan.horizon.first_year
        self.first = f"FY{began}"
        """Fiscal year of the steps."""
        self._year = began

    def _without_traces(self, acts: pd.DataFrame) -> pd.DataFrame:
        """Acts that are more than what a solver leaves: no purchase of next to nothing of what is bought later."""
        if acts.empty:
            return acts
        bought = acts.item.map(self.tables["acquisitions"].groupby("material").acquired_t.sum())
        traces = (acts.kind == "buy") & (acts.chosen < TRACE * bought) & (acts.budget_musd < LEAST_SHOWN)
        return acts[~traces]

    # What is done, and when.
    def steps(self) -> Iterator[Step]:
        """What the first year does: what is for one material together, what adds most first, what one is free to choose last."""
        found = [*(self._acts() if len(self.acts) else self._planned())]
        total: dict[str, float] = {}
        for material, step in found:
            total[material] = total.get(material, 0.0) + step.musd
        adds = {material: self._adds(material) for material in total}
        found.sort(
            key=lambda pair: (pair[1].why in (FREE, OUT), -adds[pair[0]], -total[pair[0]], pair[0], -pair[1].musd)
        )
        seen: dict[tuple[str, str], str] = {}
        chain = {code: str(row) for row in self.tables["value"].materials for code in str(row).split()}
        before: tuple[str, str] | None = None
        for material, step in found:
            why = step.why.partition(";")[0]
            key = chain.get(material, material) if why.startswith("avoids ") else material, why
            again = key in seen and step.why not in ("", FREE, OUT)
            first = seen.setdefault(key, material)
            above = ABOVE if key == before else f"as {self._material(first)}, together"
            before = key
            yield Step(step.what, step.amount, step.whom, step.musd, above if again else step.why)

    def _acts(self) -> Iterator[tuple[str, Step]]:
        """(material, step) of a tested plan."""
        for row in rows_of(self.acts[(self.acts.through_year == self._year) & (self.acts.chosen > 0)]):
            kind, item = str(row.kind), str(row.item)
            material = self.basis.mineral_of.get(item, item)
            unit, what = UNITS.get(str(row.unit)), str(row.what)
            if kind in ("buy", "sell", "offtake"):
                what = self._material(material)
            much = "all of it" if row.chosen == 1 else percent(row.chosen)
            yield (
                material,
                Step(
                    f"{'approve' if what.endswith(UNPAID) else DOES[kind]} {what.removesuffix(f', {UNPAID}')}",
                    much if unit is None else f"{amount(row.chosen)}{unit}",
                    self._whom(kind, item),
                    self._brings(item) if kind == "sell" else float(row.budget_musd + row.later_musd),
                    self._why(material, row),
                ),
            )

    def _planned(self) -> Iterator[tuple[str, Step]]:
        """(material, step) of a plan that nothing has tested."""
        bought, main = self.tables["acquisitions"], self.basis.mineral_of
        for code, rows in bought[bought.fiscal_year == self._year].groupby("material", sort=False):
            tonnes, cost = float(rows.acquired_t.sum()), float(rows.cost_musd.sum())
            if tonnes < TRACE_T and cost < LEAST_SHOWN:
                continue
            what, whom = f"buy {self._material(str(code))}", self._whom("buy", str(code))
            yield str(code), Step(what, f"{amount(tonnes)} t", whom, cost, self._spares(str(code)))
        sold = self._sold()
        for row in rows_of(sold[sold.fiscal_year == self._year]):
            what, code = f"sell {self._material(row.material)}", str(row.material)
            yield code, Step(what, f"{amount(row.sold_t)} t", "", self._brings(code), "")
        for row in self._signed():
            if fiscal_year_of(row.signed) == self._year:
                paid, why = row.package != "none", package_in_words(row, self.names)
                what = f"{'support' if paid else 'approve'} {self.names.producer(row.project)}"
                cost = float(row.support_cost_musd + row.offtake_fees_musd)
                yield main.get(row.project, row.project), Step(what, percent(row.share), "", cost, why)
        for row in rows_of(self.tables["contracts"]):
            if fiscal_year_of(row.start) == self._year:
                material, years = main.get(row.activity, row.activity), f"for {row.term_yr:g} years"
                what, much = f"offtake of {self._material(material)}", f"{amount(row.contract_t_per_yr)} t a year"
                yield material, Step(what, much, self.names.country(row.country), float(row.fees_musd), years)
        for row in rows_of(self.tables["floors"]):
            if fiscal_year_of(row.start) == self._year:
                who, material = floor_in_words(row, self.names)
                level, cost = f"{row.level_usd_per_kg:g} USD/kg", float(row.expected_cost_musd)
                yield (
                    row.material,
                    Step(f"price floor: {lower(material)}", level, who, cost, f"for {row.term_yr:g} years"),
                )

    def _sold(self) -> pd.DataFrame:
        """(fiscal_year, material, sold_t) what the baseline course sells."""
        sold = self.tables["stock"].groupby(["fiscal_year", "material"]).sold_t.sum().reset_index()
        return sold[sold.sold_t > TRACE_T]

    def _brings(self, material: str) -> float:
        """What the first year's sale of a material costs: less than nothing. Materials share the year's sales as they share the
        value of what is sold at the prices of the store [million USD]."""
        sold, store = self._sold(), self.tables["stock"].groupby("material")
        tonnes = sold[sold.fiscal_year == self._year].set_index("material").sold_t
        price = store.value_musd.sum() / store.stock_t.sum()
        value = tonnes * price.fillna(price.mean() if price.notna().any() else 1.0)  # of what is sold out none is known
        sales = self.tables["budget"].groupby("fiscal_year").sales_musd.sum().to_dict()[self._year]
        return -float(sales * value[material] / value.sum())

    def _signed(self) -> list[Any]:
        """Projects that the plan decides on, with or without money."""
        projects = self.tables["projects"]
        return list(rows_of(projects[(projects.share > CHOSEN) & ~((projects.package == "none") & projects.baseline)]))

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

    def _why(self, material: str, act: Any) -> str:
        """In a few words: what leaving out all of its material costs, and how many of the plans made do it this year."""
        mine, added = self._left_out(material), self._adds(material)
        if len(mine) and mine.cost_high_musd.iloc[0] <= -SMALL_MUSD:
            return OUT
        if act.verdict == "free":
            return FREE
        if mine.empty or math.isinf(added):
            return "a rule asks for some of it" if len(mine) and str(mine.why_not.iloc[0]) else "part of the best plan"
        now = f"; {act.in_plans} of {act.plans} agree" if act.in_plans < act.plans else ""
        return f"material adds {rounded(added)} M{now}"

    def _left_out(self, material: str) -> pd.DataFrame:
        """The row of a tested plan without all of a material; none where that was not tried."""
        rows = pd.DataFrame() if self.tested is None else self.tested.left_out
        return rows[(rows.kind == "mineral") & (rows.item == material)] if len(rows) else rows

    def _adds(self, material: str) -> float:
        """What a tested plan is worth less without a material; infinite: it cannot do without; 0: not tried [million USD]."""
        mine = self._left_out(material)
        if mine.empty:
            return 0.0
        return math.inf if pd.isna(mine.cost_musd.iloc[0]) else self._of_all(float(mine.cost_musd.iloc[0]))

    def _of_all(self, musd: float) -> float:
        return musd if self.tested is None else musd * self.tested.whole

    def held(self) -> tuple[tuple[int, ...], tuple[Held, ...]]:
        """(years, targets at their ends), what costs most first."""
        # a target counts what is given, to be filled up again; what the plan gives while nothing happens is gone
        column = "stock_t" if self.plan.instruments.trunk_release else "target_t"
        table = self.tables["stock"].drop_duplicates(["fiscal_year", "material"], keep="last")
        wide = table.pivot(index="material", columns="fiscal_year", values=column) if len(table) else table
        if wide.empty:
            return (), ()
        every = [int(year) for year in wide.columns]
        years = [*every[:: max(1, math.ceil((len(every) - 1) / (MOST_YEARS - 1)))]]
        years += [every[-1]] * (every[-1] not in years)
        cost, store = self.figures.items("bought_musd"), self.tables["stock"]
        last = store[store.stock_t > 0].groupby("material").last()
        days = last.days_of_use / last.stock_t  # of a tonne: the target counts, whatever an event in force takes
        order = sorted(wide.index, key=lambda code: (-cost.get(str(code), 0.0), str(code)))
        return tuple(years), tuple(
            Held(
                self.names.material(str(code)),
                tuple(float(wide.loc[code, y]) for y in years),
                days.get(str(code), math.nan) * float(wide.loc[code, years[-1]]),
            )
            for code in order
            if wide.loc[code, years].max() > TRACE_T
        )

    def release(self) -> str:
        """The rule of release and refill, with its tonnes for what is held most."""
        rule = self.basis.release
        if rule is None:
            return "Released and refilled as if each disruption's course were known once it has begun."
        aside = pd.DataFrame() if self.tested is None else self.tested.release
        kept = ", then to others what these can spare"
        if len(aside):
            cost = self.figures.items("bought_musd")
            code = max(aside.material.unique(), key=lambda one: (cost.get(one, 0.0), one))
            last = aside[(aside.material == code) & (aside.aside_t > 0)].sort_values("aside_t")
            most = self.tested.stock_by_year if self.tested is not None else last
            ever = most[most.material == code].target_t.max() if "target_t" in most else math.inf
            if len(last) and not last.aside_t.iloc[-1] < LEAST_ASIDE * ever < math.inf:
                row = last.iloc[-1]
                uses, name = f"; the least urgent uses of {row.segment} users get", self._material(code)
                kept = f"{uses} {name} only while over {rounded(row.aside_t)} t are left"
                kept = f"{uses} no {name}" if row.aside_t >= ever else kept
        if rule.sell_above is not None:
            dear = f"; in a shortage, at {rule.sell_above:g} times what the stock cost or more"
            kept += f"{dear}, also {percent(rule.sell_share)} of what nobody needs" * (rule.sell_share > 0)
        fill = "" if rule.refill_share == 1 else f" to {percent(rule.refill_share)}"
        return f"Release: first to those who lose most{kept}. Refill{fill}."

    def later(self) -> str:
        """What comes after the first year, and what waiting costs."""
        found = [*self._later_acts()]
        text = f"{capital('; '.join(found))}." if found else "Nothing, as things stand."
        return f"{self._waiting()}{text}"

    def _later_acts(self) -> Iterator[str]:
        """Purchases up to the targets, then signatures by year."""
        bought = self.tables["acquisitions"]
        after = bought[bought.fiscal_year > self._year]
        if len(after):
            by_material = after.groupby("material").cost_musd.sum().sort_values(ascending=False, kind="stable")
            names = some([self._material(str(code)) for code in by_material.index])
            often = after.fiscal_year.nunique() > 1
            when = f"{'each year to' if often else 'in'} FY{after.fiscal_year.max()}"
            # what the plan gives while nothing happens may be bought past the store
            fills = self.held()[1] and not self.plan.instruments.trunk_release
            what = "fill up to the targets: " if fills else "buy "
            yield f"{when} {what}{names} ({money(float(by_material.sum()))} M)"
        sold = self._sold()
        if len(sold := sold[sold.fiscal_year > self._year]):
            totals = sold.groupby("material").sold_t.sum().sort_values(ascending=False, kind="stable")
            tonnes = [f"{amount(total)} t of {self._material(str(code))}" for code, total in totals.to_dict().items()]
            yield f"by FY{sold.fiscal_year.max()} sell {some(tonnes)}"
        by_year: dict[int, list[tuple[float, str]]] = {}
        end, beyond = self.plan.horizon.first_year + self.plan.horizon.years, set[int]()
        till = " (offtakes to the end of their terms)"
        for start, rows in self.tables["contracts"].groupby("start", sort=True):
            if fiscal_year_of(start) + float(rows.term_yr.max()) > end:
                beyond.add(fiscal_year_of(start))
            by_year.setdefault(fiscal_year_of(start), []).extend(self._offtakes(rows))
        for row in self._signed():
            name = self.names.producer(row.project)
            text = f"{'approval of' if row.package == 'none' else 'support for'} {name}"
            by_year.setdefault(fiscal_year_of(row.signed), []).append((float(row.support_cost_musd), text))
        for row in rows_of(self.tables["floors"]):
            who, material = floor_in_words(row, self.names)
            text = f"a floor for {lower(material)} ({who})"
            by_year.setdefault(fiscal_year_of(row.start), []).append((float(row.expected_cost_musd), text))
        for year in sorted(year for year in by_year if year > self._year):
            parts = sorted(by_year[year], key=lambda part: -part[0])
            total = sum(cost for cost, _ in parts)
            yield f"by FY{year} {some([what for _, what in parts])}, {money(total)} M{till * (year in beyond)}"

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
            words.append((sum(fees.values()), f"{kind} of {self._material(material)} ({where})"))
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
            return "No plan that waits keeps the rules. "
        costs = [(int(row.years), self._of_all(float(row.cost_musd))) for row in waits if not row.why_not]
        first = f"forgoes {rounded(costs[0][1])} M" if waits[0].needed else "forgoes nothing measurable"
        more = len(costs) > 1 and waits[-1].needed and costs[-1][1] > costs[0][1]
        rest = f", {costs[-1][0]} years {rounded(costs[-1][1])} M" if more else ""
        length = "a year" if costs[0][0] == 1 else f"{costs[0][0]} years"
        return f"Waiting {length} {first}{rest}. "

    # What it costs and protects, and what that hangs on.
    @property
    def _worth(self) -> float:
        return self.figures.value("worth_musd") if self.tested is None else self.tested.figure("worth_musd")

    def recommendation(self, held: Sequence[Held], steps: Sequence[Step]) -> str:
        """What to do this year, what the policy costs and protects, and what more than a quarter of it hangs on."""
        sentences = [*self._status()]
        nothing = not held and not steps and not self._signed() and self.tables["contracts"].empty
        nothing = nothing and not self._in_disruptions()
        if nothing and self.tables["floors"].empty and self.tables["acquisitions"].empty:
            none = "Do nothing new: nothing that the money can sign, or buy and hold, is worth what it costs."
            given = self.figures.total("appropriation_by_year_musd") + self.plan.budget.carried_in_musd
            if given + self._emergency <= 0:
                none = "Do nothing new: no money is given."
            found = "Nothing was found that is worth what it costs." if self.basis.reason in UNPROVEN else none
            sentences += [found, self._protects()]
        else:
            sentences += [self._deed(steps, held), self._cost(), self._protects(), *self._large()]
        sentences += [self._broken(), self._untested()]
        return " ".join(sentence for sentence in sentences if sentence)

    def _broken(self) -> str:
        """Promises of the planner's own that are not kept, or not by the rule of release."""
        asked = rows_of(self.tables["own_questions"]) if "own_questions" in self.tables else []
        names = [str(row.question) for row in asked if "NOT kept" in row.answer or "NOT by" in row.answer]
        return f"NOT KEPT as it is lived: {some(names)}." if names else ""

    def _deed(self, steps: Sequence[Step], held: Sequence[Held]) -> str:
        """This year's acts in a sentence; where there are none, what the policy comes to."""
        first = [step for step in steps if step.why not in (FREE, OUT)] or [*steps]
        parts = []
        for begins, verb in DEEDS.items():
            what = [step.what.removeprefix(begins) for step in first if step.what.startswith(begins)]
            parts += [f"{verb} {some(list(dict.fromkeys(what)))}"] * (len(what) > 0)
        if not parts:
            later = "later hold" if len(self.tables["acquisitions"]) else "hold"
            parts = [f"sign and buy nothing; {later} {some([lower(one.material) for one in held])}"] if held else []
        if not parts:
            later = self._in_disruptions()
            return f"Sign and buy nothing yet{f'; in a disruption buy {later}' if later else ''}."
        deed = f"{'; '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
        return f"In {self.first} {deed}."

    def _in_disruptions(self) -> str:
        """What an untested plan buys once something has happened, by name; empty where nothing."""
        bought = self.tables["purchases_in_scenarios"]
        codes = [str(row.material) for row in rows_of(bought) if row.expected_acquired_t > TRACE_T]
        return some([self._material(code) for code in codes]) if codes and self.tested is None else ""

    def _status(self) -> Iterator[str]:
        """What a reader has to know before any figure."""
        if self.basis.audit_word == "FAILED":
            yield "DO NOT USE: it failed the independent audit."
        if self.basis.reason in UNPROVEN:
            yield f"NOT PROVEN BEST: {UNPROVEN[self.basis.reason]}."
        if self.plan.objective.kind in AIMS:
            yield f"Aim: {AIMS[self.plan.objective.kind]}."
        if self.tested is None and self.plan.sample is not None and self.basis.act_now is None:
            yield UNTESTED
        if self.tested is not None and self.tested.why_not.endswith(DISTRUSTED):
            yield f"DO NOT RELY ON IT: {self.tested.why_not}."
        if self.plan.risk.cvar_weight > 0:
            yield "Made with a weight on the worst losses; the gain leaves it out."

    def _untested(self) -> str:
        """Of which scenarios the figures are, where nothing new was lived."""
        lived = self.tested is not None
        if self.fresh or (self.plan.sample is not None and self.basis.act_now is None):
            return ""
        why = "" if lived or self.basis.act_now is None else f" ({self.basis.act_now.why_not})"
        count = self.basis.counts["scenarios"]
        own, others = (f"own {count:,} scenarios", "no others") if count != 1 else ("only scenario", "no other")
        how = ", lived without foresight" * lived
        return f"These figures are for the plan's {own}{how}; it was tested in {others}{why}."

    @property
    def _emergency(self) -> float:
        """The most that a year has beside what is given, for emergencies [million USD]."""
        emergency = self.plan.budget.emergency_musd
        return max(emergency.values(), default=0.0) if isinstance(emergency, Mapping) else emergency

    def _cost(self) -> str:
        """Money of the planned years against what is given."""
        given = self.figures.total("appropriation_by_year_musd") + self.plan.budget.carried_in_musd
        most, count = self.plan.budget.total_musd, self.plan.horizon.years
        given = given if most is None else min(given, most)
        years = "the year costs" if count == 1 else f"all {count} years cost"
        most_spent = math.nan if self.tested is None else float(self.tested.money_by_year.iloc[-1].high_musd)
        beside = ", and of emergency money" * (self._emergency > 0 and most_spent > given)
        if self.tested is None:
            gross = self.figures.total("outlay_by_year_musd")
            net = gross - self.figures.value("sales_musd") * self.plan.budget.revolving
            sold = ", net of what sales bring back," if net < gross - SMALL_MUSD else ""
            return f"If nothing happens, {years} {within(net, given)} million USD (M){sold} of {amount(given)} M given."
        whole = self.tested.money_by_year.iloc[-1]
        low, high = (within(float(value), given) for value in (whole.low_musd, whole.high_musd))
        spent = within(float(whole.expected_musd), given)
        span = f"; {low} to {high} in nine of ten futures" if low != high else ""
        sold = ", net of sales," * self.plan.budget.revolving
        return f"{capital(years)} about {spent} million USD (M{span}){sold} of {amount(given)} M given{beside}."

    def _protects(self) -> str:
        before, after, worth = self._losses()
        gain = "the gain is" if worth > -SMALL_MUSD else "the plan loses"
        if before <= 0:
            paid = f" After all costs {gain} {rounded(abs(worth))} M." if abs(worth) >= SMALL_MUSD else ""
            return f"No future of this plan has a shortage.{paid}"
        by = f"by {_function(self.plan)} ({self.plan.price_year} money, discounted)"
        if abs(worth) < SMALL_MUSD and abs(before - after) < SMALL_MUSD:
            return f"Shortages are expected to cost {money(before)} M, with the plan or without it, {by}."
        band = pd.DataFrame() if self.tested is None else self.tested.band
        other = ""
        if len(band):
            least, most = (rounded(float(end)) for end in (band.worth_musd.min(), band.worth_musd.max()))
            other = f"; {'' if worth > -SMALL_MUSD else 'gains of '}{least} to {most} M by those of others"
        threat, moves = f" ({self._threats()})" if self._threats() else "", "fall" if after <= before else "rise"
        was, now = money(before), money(after)
        ends = f"{moves} from {was} to {now} M"
        if was == now:
            ends = (
                f"stay at {now} M"
                if abs(gap := before - after) < SMALL_MUSD
                else f"{moves} by {rounded(abs(gap))} M, to {now} M"
            )
        soft = any(one.penalty_usd_per_kg for one in self.plan.service_levels)
        soft = soft or any(not one.hard for one in self.plan.diversification)
        made = "Its rules ask for" if soft else "It is made to keep"
        asked = f" {made} {self._rules()}." if worth < -SMALL_MUSD and self._rules() else ""
        return (
            f"Expected shortage losses{threat} {ends}. After all costs {gain} {rounded(abs(worth))} M {by}{other}.{asked}"
            f"{self._bill()}"
        )

    def _rules(self) -> str:
        """What the plan has to keep, whatever it costs, in words; empty where there is nothing."""
        by_days: dict[float, list[str]] = {}
        for one in self.plan.days_of_cover:
            by_days.setdefault(one.days, []).append(self._material(one.material))
        cover = [f"{days:g} days of net imports of {some(names)}" for days, names in by_days.items()]
        promises = [f"promises on {self._material(one.material)}" for one in self.plan.service_levels]
        shares = [f"shares of {self._material(one.material)}" for one in self.plan.diversification]
        return some(list(dict.fromkeys([*cover, *promises, *shares])))

    def _bill(self) -> str:
        """What of the worth is money rather than tonnes: what the plan does to the prices of imports."""
        bill = self.figures.value("bill_saved_musd") if self.tested is None else self.tested.figure("bill_musd")
        if not self.plan.price_channel or not abs(bill) >= SMALL_MUSD:
            return ""
        if bill > 0:
            return f" Cheaper imports bring {rounded(bill)} M of that."
        return f" Dearer imports have taken {rounded(-bill)} M off that."

    def _threats(self) -> str:
        """The hazard with which most loss comes without the plan."""
        table = self.tables["scenario_losses"]
        found = come_with(table, table.loss_without_plan_musd, self.basis.touching)
        worst = max(found, key=lambda hazard: found[hazard], default="")
        if not worst or found[worst] < SMALL_MUSD:
            return ""
        if worst != UNNAMED:
            return f"mostly from '{self.names.hazard(worst)}'"
        mine = table[[UNNAMED in hazards.split() for hazards in table.hazards]]
        expected = (mine.probability * mine.loss_without_plan_musd).to_numpy()
        return f"mostly from {scenario_in_words(str(mine.scenario.iloc[int(expected.argmax())]), self.basis.scenarios)}"

    def _losses(self) -> tuple[float, float, float]:
        if self.tested is None:
            names = ("expected_loss_without_musd", "expected_loss_musd", "worth_musd")
            before, after, worth = (self.figures.value(name) for name in names)
            parts = self.tables["objective"].set_index("part")  # the aim counts the tail, a gain does not
            worth -= float(parts.do_nothing_musd.to_dict()["cvar"] - parts.plan_musd.to_dict()["cvar"])
        else:
            before, after, worth = (self.tested.figure(f"{name}_musd") for name in ("loss_without", "loss", "worth"))
        return before, after, worth

    def _large(self) -> Iterator[str]:
        """A figure and an item on which more than a quarter of the worth hangs, and where that ends."""
        table = self.depends
        moved = [
            row for row in rows_of(table) if row.figure in OF_SOURCES and row.at_low_musd + row.at_high_musd < math.inf
        ]
        for row in sorted(moved, key=lambda row: -abs(row.at_high_musd - row.at_low_musd))[:1]:
            if abs(row.at_high_musd - row.at_low_musd) > LARGE_SHARE * abs(row.worth_musd):
                low, at, high = (amount_in_words(row.figure, value) for value in (row.low, row.value, row.high))
                what = f"{self.names.producer(row.hazard)}: if {column_in_words(row.figure)} is {low}, not {at}"
                yield f"{what}, the gain is {rounded(row.at_low_musd)} M; if {high}, {rounded(row.at_high_musd)} M."
        mine = table[table.kind == "mineral"] if len(table) else table
        whole = float(table.worth_musd[table.kind == "plan"].max()) if len(mine) else 0.0
        mine = mine[mine.worth_musd > LARGE_SHARE * whole] if len(mine) else mine
        if mine.empty or whole <= 0:
            return
        code = str(mine.sort_values("worth_musd", ascending=False, kind="stable").item.iloc[0])
        of = mine[mine.item == code]
        share = min(1.0, float(of.worth_musd.iloc[0]) / whole)
        where = next(iter(sorted(flipping(of), key=_distance)), None)
        till = (
            "; it pays at every loss and rate tried"
            if where is None
            else f"; it {STOPS} {flip_in_words(where, self.names, self.basis.scenarios)}"
        )
        yield f"{share:.0%} of the gain rests on {self._material(code)}{till}."
        for row in self._signed():
            gap = float(row.financing_gap_musd)
            if 0 < gap <= NEARLY_ALONE * float(row.capex_musd) and self.basis.mineral_of.get(str(row.project)) == code:
                name = self.names.producer(row.project)
                yield f"{name} lacks {money(gap)} M of the {rounded(row.capex_musd)} M needed to go ahead unaided."

    def hinges(self) -> str:
        """The figures at which the recommendation flips, the nearest first; where the plan was not tested, the widest estimates."""
        if self._losses()[0] <= 0:
            return ""
        if self.depends.empty:
            wide = "; ".join(self.basis.widest[:NAMED])
            return f"figures that nobody knows well: {wide}." if wide else ""
        most = float(self.depends.worth_musd.abs().max())
        rows = [row for row in flipping(self.depends) if row.kind == "plan" or abs(row.worth_musd) >= SMALL_PART * most]
        rows.sort(key=lambda row: (not _inside(row), _distance(row)))
        near = [row for row in rows if _inside(row) or _distance(row) < FAR]
        by_figure = {(row.figure, row.hazard): row for row in reversed(near or rows[:1])}
        shown: dict[str, list[str]] = {}
        for row in sorted(by_figure.values(), key=rows.index)[:MOST_FLIPS]:
            shown.setdefault(self._part(row), []).append(flip_in_words(row, self.names, self.basis.scenarios))
        pays = {self._part(row): row.worth_musd > 0 for row in by_figure.values()}
        found = [f"{part} {STOPS if pays[part] else BEGINS} {'; or '.join(flips)}" for part, flips in shown.items()]
        if THE_PLAN not in shown and float(self.depends.worth_musd.iloc[0]) >= SMALL_MUSD:
            loss = next((row for row in rows if row.kind == "plan" and row.figure == "loss"), None)
            only = "" if loss is None else f"even at {chance(loss.flips_at)} of the loss assumed for a missing tonne"
            found.insert(0, f"{THE_PLAN} pays {only or 'whatever a missing tonne costs'}")
        if self.tested is not None and len(self.tested.band) and not self.basis.extended:
            found = found or ["no figure within its range"]
            found.append("`regret` finds a plan for those who trust no single loss")
        return f"{'; '.join(found)}." if found else ""

    def _part(self, row: Any) -> str:
        if row.kind == "plan":
            return THE_PLAN
        name = self._material(str(row.item)) if row.kind == "mineral" else f"the {row.item}"
        return f"its part in {name} (gain {rounded(self._of_all(row.worth_musd))} M)"

    def owed(self) -> str:
        """What money is due for what was decided before."""
        before = float(self.tables["budget"].signed_before_musd.sum())
        parts = [f"{money(before)} M for what was signed before this plan"] * (before >= SMALL_MUSD)
        other_money = self.figures.total("paid_apart_by_year_musd")
        ends = [*(musd for name, musd in self.basis.owed_by_prices.items() if name != self.plan.price_set), other_money]
        span = f" at the plan's prices (price sets give {money(min(ends))} to {money(max(ends))})" * (len(ends) > 1)
        run = self.figures.total("paid_apart_as_run_by_year_musd")
        guarantees = (
            f"{money(other_money)} M{span} for guarantees signed earlier, undiscounted, at full output, from other money; "
            f"{money(run)} M on what this plan has them make for users at home"
        )
        parts += [guarantees] * (other_money >= SMALL_MUSD)
        members = max(self.figures.items("members_pay_by_year_musd").values(), default=0.0)
        if (loan := self.plan.budget.loan) is not None and members >= SMALL_MUSD:
            most = money(members, "about")
            parts.append(f"members pay up to {most} M a year for interest of {percent(loan.interest)} and storage")
        owed = self.tables["budget"].set_index("fiscal_year").borrowed_musd
        if loan is not None and owed.max() >= SMALL_MUSD:
            first = int(owed.index[owed > 0].min())
            due = loan.due_year if loan.due_year is not None and loan.due_year > first else first + loan.term_years
            again = "; what is bought later is borrowed anew" * bool(owed[owed.index >= due].max() > 0)
            parts.append(f"{money(owed[owed.index < due].max())} M is borrowed and due in FY{due:g}{again}")
        parts += [note.rstrip(".") for note in self.basis.owed]
        liability = max(self.figures.items("liability_by_year_musd").values(), default=0.0)
        whose = ", those of this plan included" * bool(len(self.tables["floors"]))
        floors = f"in a year of low prices up to {money(liability, 'about')} M for floors{whose}"
        parts += [floors] * (liability >= SMALL_MUSD)
        projects = self.tables["projects"]
        made = set(self.tables["operations"].producer)
        committed = [name for name in dict.fromkeys(projects.project[projects.committed.astype(bool)]) if name in made]
        names = some([self.names.producer(name) for name in committed], 1)
        run_on = f" Decided before, without new money: {names}." if committed else ""
        return f"{'; '.join(parts) or 'nothing'}.{run_on} {self.basis.held_before}".rstrip()

    def unprotected(self) -> str:
        """What is still lost, by whom, and in a bad future."""
        if self.tested is None:
            left = self.figures.items("remaining_loss_musd")
            likely, loss, without = (
                self.figures.items(name) for name in ("probability", "loss_musd", "loss_without_musd")
            )
            worst = max(loss, key=lambda name: loss[name], default="")
            bad = ""
            if worst and loss[worst] >= SMALL_MUSD:
                lost, without_plan = rounded(loss[worst]), rounded(without[worst])
                bad = f"At worst ({self._worst(worst)}) {lost} M are lost ({without_plan} with no plan). "
            lacking = self.figures.items("defence_short_t").items()
            short = sum(likely[name] for name, tonnes in lacking if tonnes > TRACE_T)
            before = math.nan
        else:
            table, curve = self.tested.remaining, self.tested.loss_curve
            left = dict(zip(table.material, table.loss_musd, strict=True)) if len(table) else {}
            row = next(row for row in rows_of(curve) if math.isclose(row.chance, ONE_IN_TWENTY if self.fresh else 0.0))
            lost, without_plan = rounded(row.loss_musd), rounded(row.loss_without_musd)
            bad = f"1 future in 20 loses over {lost} M ({without_plan} with no plan). "
            if not self.fresh:
                what = self._worst(str(row.scenario))
                bad = f"At worst ({what}) {lost} M are lost ({without_plan} with no plan). " * (
                    row.loss_musd >= SMALL_MUSD
                )
            short, before = self.tested.figure("defence_short"), self.tested.figure("defence_short_without")
        total = self._losses()[1]
        if total < SMALL_MUSD and not bad:
            return ""
        left = {material: value for material, value in left.items() if material not in self.basis.embedded}
        ranked = sorted(left.items(), key=lambda pair: -pair[1])
        named = [f"{self._material(m)} {rounded(v)}{self._wanting(m)}" for m, v in ranked[:NAMED] if v >= SMALL_MUSD]
        rest = total - sum(value for _, value in ranked[: len(named)])
        else_ = "all else" if len(ranked) > len(named) else "dearer substitutes"
        named += [f"{else_} {rounded(rest)}"] * (len(named) > 0 and rest >= max(SMALL_MUSD, 0.05 * total))
        parted = "; " if any(", " in one for one in named) else ", "
        mostly = f" ({parted.join(named)})" if named else ""
        others = "" if math.isnan(before) else f" (without the plan in {odds(before)})"
        never = "Defence never runs short. " * self.basis.has_defence
        defence = f"Defence runs short in {odds(short)}{others}. " if short > 0 else never
        return f"{defence}{bad}{money(total)} M of losses remain{mostly}."

    def _worst(self, scenario: str) -> str:
        """A scenario of the plan's own, and how likely it is."""
        probability = self.figures.items("probability")[scenario]
        likely = f"{chance(probability)} likely" if probability > 0 else "given no probability"
        return f"{scenario_in_words(scenario, self.basis.scenarios)}, {likely}"

    def _wanting(self, material: str) -> str:
        """Which other stage of its chain keeps a material from being made where most of it is missing."""
        table = self.tables["bottlenecks"]
        own = table[(table.case == "plan") & (table.material == material)]
        mine = own[(own.limited_by != material) & (own.limited_by != "")]
        if mine.empty or mine.shortfall_t.sum() < HALF * own.shortfall_t.sum():
            return ""
        most = str(mine.groupby("limited_by").shortfall_t.sum().idxmax())
        return f", for want of {some([self._material(name) for name in most.split()])}"

    def sure(self) -> str:
        """How sure the answer is, in words that need no statistics."""
        estimates = f"{self.basis.estimates:,} of its {self.basis.facts + self.basis.estimates:,} figures are estimates"
        seen = f" Losses exceed what past shortages show ({self.basis.replayed[0]})." if self.basis.replayed else ""
        checked = "; audited" if self.basis.audit_word == "passed" else ""
        tail = f"{estimates}{checked}.{seen}"
        if self.tested is None or not self.fresh:
            known = ", were each one's course known" * (self.tested is not None)
            kept = " that keeps its rules" * bool(self._rules())
            proven = {"optimal": "beats", "within_gap": "clearly beats"}.get(self.basis.reason)
            verdict = f"no plan{kept} {proven} it in its scenarios{known}" if proven else "better plans may exist"
            if self.tested is not None and self.basis.extended:
                verdict = "the best plan by the model loses money as it is lived"
            return f"{verdict}; {tail}"
        tested = self.tested
        count = int(tested.figure("samples") * tested.figure("scenarios"))
        low, high = (rounded(tested.figure(f"worth_{end}_musd")) for end in ("low", "high"))
        most = ""
        if tested.why_not:
            most = f"; no bound on better plans: {tested.why_not}"
        elif bool(tested.gap.most_says.iloc[0]):
            most = f"; no policy signing on these dates gains over {rounded(tested.figure('most_musd'))} M"
        drawn = f" ({low} to {high} M by their draw alone)" if low != high else ""
        foreseen = " it cannot foresee" if self.basis.release is not None else ", each known once a disruption begins"
        return f"tested in {count:,} simulated futures{foreseen}{drawn}{most}; {tail}"


DISTRUSTED = "not to be trusted"
"""How a reason ends that forbids to rely on an answer."""
AIMS = {
    "risk_within_budget": "the least risk within the budget",
    "least_budget": "the least money that keeps the promises",
}
"""Of a plan that is not for the least social cost."""
THE_PLAN = "the plan as a whole"
LEAST_ASIDE = 0.01
"""Share of what is ever held below which nobody asks what is kept of it for dearer uses."""
ONE_IN_TWENTY = 0.05
MOST_FLIPS, FAR = 3, math.log(8.0)
"""Figures reported as those an answer depends on; a flip is far where the figure would have to be eight times as high or as low."""
UNPROVEN = {
    "stalled": "the solver gave no answer in part of the search",
    "time_limit": "the time limit ended the search",
    "interrupted": "the search was interrupted",
}


def _function(plan: Plan) -> str:
    """A plan's losses as one reads them: `usgs_2025` -> `the losses of USGS 2025`, with the end of the range where it is one."""
    if plan.home == ALL:
        return "each member's own losses"
    first, *rest = plan.loss_function.split("_")
    code = " ".join([first.upper(), *rest]) if rest and len(first) <= 4 else plan.loss_function
    named = f"the losses of {code}" if code != plan.loss_function else f"the losses '{code}'"
    return named if plan.loss_level == "central" else f"{named} ({plan.loss_level} end)"


def _inside(row: Any) -> bool:
    """Whether the flip lies in the range that the tables give for the figure."""
    return bool(row.low <= row.flips_at <= row.high)


def _distance(row: Any) -> float:
    return abs(math.log(row.flips_at / row.value))
