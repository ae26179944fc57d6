"""The verb `compare`, and what the figures of the page draw as tidy tables: names that a planner knows, with shares and years."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..answer.act_now import ActNow
from ..answer.notes import ENDED, floor_in_words, is_extended
from ..answer.result import Result
from ..answer.run_folder import load_run
from ..answer.study import Study
from ..answer.year import SIGNED, acts_of, decisions, package_in_words
from ..core.errors import Fault, InputError
from ..core.formats import chance, digits, in_musd, lower
from ..core.frames import rows_of
from ..core.stats import BASELINE_COURSE, SMALL_T
from ..core.verb import verb
from ..question.base import Row, column_of, key_of, stem_and_unit
from ..question.names import UNSUPPORTED, Names
from ..question.references import qualified_forms
from ..question.tables import TABLES

UNDER_CONSTRUCTION = "under construction"
"""Phase of a project before its first output."""
WITH, WITHOUT = "with the plan", "without the plan"
CASES = {WITH: "loss_musd", WITHOUT: "loss_without_plan_musd"}
"""Case -> column of the table `scenario_losses` with its losses."""
LINES = {
    "purchases_musd": "purchases",
    "holding_musd": "holding",
    "contract_fees_musd": "contract fees",
    "offtake_fees_musd": "offtake fees",
    "capital_support_musd": "capital support",
    "floor_top_ups_musd": "floor top-ups",
    "signed_before_musd": "signed before",
}


def money_unit(result: Result) -> str:
    """What money is counted in, and of which year."""
    return f"million USD of {result.plan.price_year}"


def year_of(result: Result, label: str) -> float:
    """Start of a period as a decimal year."""
    year, _, part = str(label).partition(".")
    per_year = 12 // result.plan.horizon.period_months
    return int(year) + (int(part) - 1) / per_year if part else float(year)


def timeline(result: Result) -> pd.DataFrame:
    """Acts: what, amount (of the whole row), kind, start, end (decimal years), phase, said (of one bar)."""
    end_of_plan = float(result.plan.horizon.first_year + result.plan.horizon.years)
    rows: list[tuple[Any, ...]] = []

    def add(what: str, amount: str, kind: str, start: float, end: float, text: str, phase: str = "in force") -> None:
        if start < end_of_plan:
            rows.append((what, amount, kind, start, min(end, end_of_plan), phase, text))

    known = Names.of(result.data)
    for material, purchases in result.tables["acquisitions"].groupby("material", sort=False):
        what = f"buy {known.material(str(material))}"
        amount = f"{digits(purchases['acquired_t'].sum())} t for {in_musd(purchases['cost_musd'].sum())}"
        for year, bought in purchases.groupby("fiscal_year"):
            text = f"{digits(bought['acquired_t'].sum())} t for {in_musd(bought['cost_musd'].sum())} in FY{year}"
            add(what, amount, "purchase", float(str(year)), float(str(year)) + 1, text)
    for row in rows_of(result.tables["projects"]):
        if row.share < SIGNED or (row.baseline and row.package == "none"):
            continue
        signed, begins = year_of(result, row.signed), year_of(result, row.first_output)
        part = "" if row.share > 1 - SIGNED else f"{row.share:.0%} of it, "
        amount = f"{part}{digits(row.capacity_t_per_yr)} t a year for {in_musd(row.support_cost_musd)} of support"
        text = f"{amount}; {package_in_words(row, known)}"
        what = f"support {known.producer(row.project)}"
        add(what, amount, "project", signed, begins, text, UNDER_CONSTRUCTION)
        add(what, amount, "project", begins, end_of_plan, text)
    contracts = result.tables["contracts"]
    several = contracts["activity"].value_counts()
    for row in rows_of(contracts):
        start = year_of(result, row.start)
        amount = f"{digits(row.contract_t_per_yr)} t a year for {in_musd(row.fees_musd)} of fees"
        since = f" from {row.start}" if several[row.activity] > 1 else ""
        what = f"offtake from {known.producer(row.activity)}{since}"
        text = f"{amount}, {row.fee_usd_per_kg:,.3g} USD/kg"
        add(what, amount, "offtake contract", start, start + row.term_yr, text)
    for row in rows_of(result.tables["floors"]):
        start = year_of(result, row.start)
        amount = f"expected cost {in_musd(row.expected_cost_musd)}"
        who, material = floor_in_words(row, known)
        what = f"guarantee {material} at {row.level_usd_per_kg:g} USD/kg, {who}"
        add(what, amount, "price floor", start, start + row.term_yr, amount)
    return pd.DataFrame(rows, columns=["what", "amount", "kind", "start", "end", "phase", "said"])


def stock_by_year(result: Result) -> pd.DataFrame:
    """fiscal_year, material, target_t, expected_t, low_t, high_t: what the reserve is to hold at the end of a year, and holds.

    As the plan was lived, with 5 and 95 % of its futures; where it was not, over its own ones, from the least to the
    most. Materials of which it holds something, the largest target first."""
    table = result.tables.get("stock_by_year")
    if table is None:
        table = _own_stock(result)
    most = table.groupby("material")[["target_t", "high_t"]].max().sort_values(["target_t", "high_t"], ascending=False)
    kept = [material for material in most.index if most.loc[material].max() > SMALL_T]
    return table.set_index("material").loc[kept].reset_index()


def _own_stock(result: Result) -> pd.DataFrame:
    """The table `stock_by_year` of the plan's own scenarios."""
    chance = result.tables["scenario_losses"].set_index("scenario")["probability"]
    closing = result.tables["stock"].drop_duplicates(["material", "fiscal_year"], keep="last")
    closing = closing.set_index(["material", "period"])
    flows = result.tables["flows"].pivot_table("stock_t", ["material", "period"], "scenario", "sum")
    held = flows.reindex(index=closing.index, columns=chance.index).fillna(0.0)
    table = closing[["fiscal_year"]].assign(
        target_t=closing["stock_t"], expected_t=(held * chance).sum(axis=1) / chance.sum()
    )
    return table.assign(low_t=held.min(axis=1), high_t=held.max(axis=1)).reset_index().drop(columns="period")


def loss_curve(result: Result) -> pd.DataFrame:
    """case (with the plan, without), loss_musd, chance: how probable it is that shortages cost more than an amount.

    As both were lived; where they were not, in the plan's own scenarios, as steps."""
    lived = result.tables.get("loss_curve")
    lived = None if lived is None else lived[lived.chance > 0]
    if lived is None:
        table = result.tables["scenario_losses"]
        return exceeded({case: table[column] for case, column in CASES.items()}, table["probability"])
    columns = {WITH: "loss_musd", WITHOUT: "loss_without_musd"}
    parts = [lived[["chance"]].assign(case=case, loss_musd=lived[column]) for case, column in columns.items()]
    return pd.concat(parts, ignore_index=True).sort_values(["case", "loss_musd"], ignore_index=True)


def exceeded(losses: Mapping[str, pd.Series], probability: pd.Series) -> pd.DataFrame:
    """case, loss_musd, chance that a loss is this or more: it exceeds all smaller ones; losses: by case, a scenario a row."""
    parts = []
    for case, values in losses.items():
        of = probability.groupby(values.clip(lower=0.0)).sum().sort_index(ascending=False).cumsum() / probability.sum()
        of = of[of.index > SMALL_T].sort_index()
        first = [(case, 0.0, float(of.iloc[0]))] if len(of) else []
        parts += [*first, *((case, loss, chance) for loss, chance in zip(of.index, of, strict=True))]
    return pd.DataFrame(parts, columns=["case", "loss_musd", "chance"])


def money(result: Result) -> pd.DataFrame:
    """fiscal_year, line, musd, with the appropriation as a line of its own."""
    budget = result.tables["budget"]
    lines = budget[["fiscal_year", *LINES]].rename(columns=LINES)
    able = budget["appropriation_musd"] + budget["carried_in_musd"]
    lines = lines.assign(appropriation=able).melt("fiscal_year", var_name="line", value_name="musd")
    used = lines.groupby("line")["musd"].transform(lambda values: float(np.abs(values).max())) > SMALL_T
    return lines[used].reset_index(drop=True)


# Several results side by side: what differs in the question, in the plan, in the outcome.
ABSENT = "-"
TITLES = {
    "plan": "Decisions that differ",
    "targets": "Stock at the end of each year [t]",
    "money": "Spending by year without a disruption [million USD]",
    "outcome": "Worth, losses and proof",
    "inputs": "What differs in the question",
}
"""Headings of the tables, in their order."""


@verb
def compare(results: Sequence[Result | Path | str], names: Sequence[str] | None = None) -> Study:
    """Show the differences between results: in the question, the outcome and the plan.

    results: two or more, each as it was solved, or the run folder that holds it. names: what they are called, one each; None:
    their plans' names, numbered where these are the same.

    Tables, each with a column a result: `plan`, what is bought, supported, signed and guaranteed, where it is not the same in all;
    `targets`, stock at the end of each year [t]; `money`, outlay of each year [million USD]; `outcome`: figure, unit, worth, bound,
    gap, losses; `inputs`, fields of the plan that are not the same in all. Facts: `warnings`, why figures may
    not be compared directly; `changed`, what differs in the tables, in sentences.

    Raises InputError for less than two results, for names too many or too few, and for a folder that is no run."""
    if len(results) < 2:
        raise InputError([Fault("compare", "", "results", f"{len(results)} result", "two or more")])
    if names is not None and len(names) != len(results):
        given = f"{len(names)} name{'s' * (len(names) != 1)}"
        raise InputError([Fault("compare", "", "names", given, f"{len(results)}, one for each result")])
    found = opened(results)
    called = _names(found, names)
    warnings = [
        f"The {words} of these results differ, so their amounts in million USD cannot be compared directly."
        for words, read in (
            ("loss functions", lambda p: (p.loss_function, p.loss_level)),
            ("price years", lambda p: p.price_year),
        )
        if len({read(result.plan) for result in found}) > 1
    ]
    nothing = [result.outcome.do_nothing_musd or 0.0 for result in found]
    if not warnings and max(nothing) - min(nothing) > 1e-6 * max(1.0, *map(abs, nothing)):
        text = ", ".join(f"{value:,.0f}" for value in nothing)
        warnings.append(
            f"Doing nothing costs {text} million USD in these results, so the worth of each plan starts from a different point."
        )
    if any(is_extended(result.tables) for result in found):
        warnings.append("Own code has extended some of these plans (table own_parts): what it adds is not compared.")
    known = _alike_named(found)
    tables = {
        "plan": _plan(found, known, called).astype(object),
        "targets": _targets(found, known, called),
        "money": _money(found, called),
        "outcome": _outcome(found, called).astype(object),
        "inputs": _inputs(found, called),
    }
    changed = [
        f"{called[n]}, {text}" if len(found) > 2 else text
        for n, other in enumerate(found[1:], start=1)
        for text in _changed(found[0], other)
    ]
    facts = {"names": called, "warnings": warnings, "changed": changed}
    return Study("compare", tables, _words(tables, facts), facts, TITLES)


def opened(results: Sequence[Result | Path | str]) -> list[Result]:
    """Results as they are, and those of run folders. Raises InputError for a folder that is no run."""
    return [each if isinstance(each, Result) else load_run(Path(each), Result) for each in results]


def _words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """A comparison in plain words, line by line: decisions, money and risk first, then the question."""
    lines = [f"COMPARED: {' | '.join(facts['names'])}", *facts["warnings"]]
    for name, title in TITLES.items():
        found = rows_in_words(name, tables[name], len(facts["names"]))
        if name == "inputs":
            found = question_in_words(tables, facts)
        lines += [f"{title}:" if found else f"{title}: nothing", *(f"  {line}" for line in found)]
    return lines


def question_in_words(tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> list[str]:
    """What differs in the question: fields of the plan side by side, tables folded into sentences."""
    return [*rows_in_words("inputs", tables["inputs"], len(facts["names"])), *facts["changed"]]


def rows_in_words(name: str, table: pd.DataFrame, results: int) -> list[str]:
    """Rows of a table of a comparison in words."""
    if name == "targets":
        return [
            f"{material}: {' | '.join(_over_years(rows['fiscal_year'], rows[of]) for of in rows.columns[-results:])}"
            for material, rows in table.groupby("material", sort=False)
        ]
    lines = []
    for row in table.itertuples(index=False):
        head = [f"FY{value}" if name == "money" else str(value) for value in row[:-results] if value]
        label = f"{head[0]} [{head[1]}]" if name == "outcome" and len(head) > 1 else " ".join(head)
        lines.append(f"{label}: {' | '.join(_cell(value) for value in row[-results:])}")
    return lines


def _over_years(years: Iterable[int], tonnes: Iterable[float]) -> str:
    """A series in words: `2.29 in FY2027-2031, 4 in FY2032`; years in which there is nothing are left out."""
    held = enumerate((_cell(float(value)), year) for year, value in zip(years, tonnes, strict=True) if value > SMALL_T)
    spans = [[at for _, at in span] for _, span in groupby(held, key=lambda at: (at[1][0], at[1][1] - at[0]))]
    texts = (f"{span[0][0]} in FY{span[0][1]}" + f"-{span[-1][1]}" * (len(span) > 1) for span in spans)
    return ", ".join(texts) or ABSENT


def _names(results: Sequence[Result], names: Sequence[str] | None) -> tuple[str, ...]:
    wanted = list(names) if names is not None else [result.plan.name for result in results]
    taken = {*"field figure unit kind item material fiscal_year".split()}  # what the tables' other columns are called
    clear = {name for name in wanted if name and wanted.count(name) == 1} - taken
    return tuple(name if name in clear else f"{name} ({n})".strip() for n, name in enumerate(wanted, start=1))


NAMED_BY = ("name", "hazard", "material")
"""Fields by which an entry of a list of the plan is known."""
THERE = "there"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> leaf of plain nested data. Entries of a list go by their names; each is `THERE` beside its fields."""
    listed = isinstance(value, list) and all(isinstance(entry, dict | list) for entry in value)
    if listed:
        names = [next((entry[k] for k in NAMED_BY if k in entry), n) for n, entry in enumerate(value)]
        value = dict(zip(names if len(set(names)) == len(names) else range(len(names)), value, strict=True))
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {path: THERE} if path and not listed else {}
    for key, entry in value.items():
        found |= _flat(entry, f"{path}.{key}" if path else str(key))
    return found


def _inputs(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    """Fields of the plan that differ; of what one result has not at all, that alone."""
    fields = [_flat(result.plan.to_toml_like()) for result in results]
    fields = [{path: each[path] for path in each if path not in ("name", "title", "description")} for each in fields]
    unlike = dict(_unlike(fields, repr))
    whole = [f"{path}." for path, values in unlike.items() if {*map(str, values)} == {THERE, ABSENT}]
    rows = [[path, *values] for path, values in unlike.items() if not path.startswith(tuple(whole))]
    shown = [[path, *(_cell(value, path) for value in values)] for path, *values in rows]
    return pd.DataFrame(shown, columns=["field", *names])


def _unlike(held: Sequence[Mapping[Any, Any]], words: Callable[[Any], str]) -> Iterator[tuple[Any, list[Any]]]:
    """(key, value of each) of what is not the same in all. words: by which two values are compared."""
    for key in dict.fromkeys(key for each in held for key in each):
        values = [each.get(key, ABSENT) for each in held]
        if len({words(value) for value in values}) > 1:
            yield key, values


MOST_NAMED = 4
"""Rows of a table that a sentence names."""


def _changed(one: Result, other: Result) -> Iterator[str]:
    """What differs in the tables, in sentences: `12 prices rose by 3 to 8%`."""
    for table in sorted({*one.data.tables, *other.data.tables}):
        before, now = ({key_of(row): row for row in result.data.rows(table)} for result in (one, other))
        title = table.replace("_", " ")
        for keys, of, word in ((now.keys() - before, other, "more"), (before.keys() - now, one, "fewer")):
            if keys:
                yield f"{title}: {len(keys)} {'row' if len(keys) == 1 else 'rows'} {word} ({_some(sorted(keys), of)})"
        pairs = {key: (before[key], row) for key, row in now.items() if key in before and before[key] != row}
        for column, field in TABLES[table].model_fields.items() if pairs else ():
            values = {key: (getattr(a, column), getattr(b, column)) for key, (a, b) in pairs.items()}
            values = {key: pair for key, pair in values.items() if pair[0] != pair[1]}
            if values and column not in Row.model_fields and not column.endswith(("_low", "_high")):
                label = column_of(field).label
                noun = label if 0 < len(label.split()) < 4 else stem_and_unit(column)[0].replace("_", " ")
                head = "" if _several(noun) == title else f"{title}: "
                yield from (head + text for text in _moves(noun, column, values, other))


def _moves(noun: str, column: str, values: Mapping[str, tuple[Any, Any]], result: Result) -> Iterator[str]:
    """How cells of one column changed; of one row with both values, of several with the range."""
    shares: dict[str, list[str]] = {"rose": [], "fell": [], "": []}
    for key, (a, b) in values.items():
        sized = type(a) is float and type(b) is float and a > 0 and "year" not in column
        shares["" if not sized else "rose" if b > a else "fell"].append(key)
    for word, keys in shares.items():
        if keys and len({repr(values[key]) for key in keys}) == 1:
            a, b = (_cell(value, column) for value in values[keys[0]])
            yield f"{noun} of {_some(keys, result)}: {a}, then {b}"
        elif keys and word:
            by = [f"{100 * abs(values[key][1] / values[key][0] - 1):.2g}" for key in keys]
            low, high = (end(by, key=float) for end in (min, max))
            yield f"{len(keys)} {_several(noun)} {word} by {low if low == high else f'{low} to {high}'}%"
        elif keys:
            yield f"{len(keys)} {_several(noun)} changed ({_some(keys, result)})"


def _some(keys: Sequence[str], result: Result) -> str:
    """Rows by the names of what they are about, the first ones of many."""
    known = Names.of(result.data)
    parts = [[part for part in key.split("/") if known.any(part) != part] or [key] for key in keys]
    named = list(dict.fromkeys(" ".join(map(known.any, each[: 2 if len(keys) == 1 else 1])) for each in parts))
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return "; ".join(named[:MOST_NAMED]) + more


def _several(noun: str) -> str:
    """The plural of a noun."""
    return noun if noun.endswith("s") else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _outcome(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    figures = [_figures(result) for result in results]
    every = dict.fromkeys(key for place in zip(*figures, strict=True) for key in place)
    rows = [[*key, *(e.get(key) for e in figures)] for key in every if any(e.get(key) is not None for e in figures)]
    return pd.DataFrame(rows, columns=["figure", "unit", *names])


def _figures(result: Result) -> dict[tuple[str, str], Any]:
    outcome, scenarios = result.outcome, result.tables["scenario_losses"]
    spent = float(result.tables["budget"]["outlay_musd"].sum())
    pi, objective, tested = scenarios["probability"], outcome.objective_musd, ActNow.of(result.tables)
    tested = tested if tested is not None and tested.lived else None
    gap = None if tested is None or tested.why_not else tested.figure("gap_limit_musd")
    foreseen = result.plan.policy != "targets"
    new = "in its own scenarios, as lived" if tested is not None and not tested.fresh else "in new scenarios"
    worth, lost = (None if tested is None else tested.figure(name) for name in ("worth_musd", "loss_musd"))
    outlay = None if tested is None else float(tested.money_by_year.expected_musd.iloc[-1])
    return {
        ("how the solve ended", ""): ENDED.get(outcome.reason, outcome.reason),
        (f"worth {new}", "million USD"): None if foreseen else worth,
        (f"worth {new}, each known once it begins", "million USD"): worth if foreseen else None,
        (f"expected shortage losses {new}", "million USD"): lost,
        (f"expected spending {new}, not discounted", "million USD"): outlay,
        ("most that any plan is worth more (true gap)", "million USD"): gap,
        ("worth in its own scenarios", "million USD"): None if objective is None else round(-objective, 6) + 0.0,
        ("gap", "%"): None if outcome.relative_gap is None else round(100 * outcome.relative_gap, 4),
        ("expected shortage losses in its own scenarios", "million USD"): float((pi * scenarios["loss_musd"]).sum()),
        ("spending in all years without a disruption, not discounted", "million USD"): spent,
    }


def _plan(results: Sequence[Result], known: Sequence[Names], names: Sequence[str]) -> pd.DataFrame:
    every = [decisions(acts_of(one, of)) for one, of in zip(results, known, strict=True)]
    rows = [[*key, *values] for key, values in _unlike(every, str)]
    return pd.DataFrame(rows, columns=["kind", "item", *names])


def _alike_named(results: Sequence[Result]) -> list[Names]:
    """Names of each result, those of the first one for codes that it has too."""
    first, *others = (vars(Names.of(result.data)) for result in results)
    same = [
        {kind: {**of, **{c: n for c, n in first[kind].items() if c in of}} for kind, of in one.items()}
        for one in others
    ]
    return [Names(**one) for one in (first, *same)]


def _targets(results: Sequence[Result], known: Sequence[Names], names: Sequence[str]) -> pd.DataFrame:
    """material, fiscal_year, stock at its end in each result, of what any of them holds."""
    held: dict[tuple[str, int], list[float]] = {}
    years = [set(result.tables["budget"].fiscal_year) for result in results]
    for n, result in enumerate(results):
        for row in rows_of(result.tables["stock"]):
            key = known[n].material(row.material), int(year_of(result, row.period))
            held.setdefault(key, [0.0 if key[1] in of else np.nan for of in years])[n] = float(row.stock_t)
    kept = {material for (material, _), tonnes in held.items() if np.nanmax(tonnes) > SMALL_T}
    rows = [[*key, *tonnes] for key, tonnes in sorted(held.items()) if key[0] in kept]
    return pd.DataFrame(rows, columns=["material", "fiscal_year", *names])


def _money(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    """fiscal_year, outlay in each result."""
    paid = [
        result.tables["budget"].set_index("fiscal_year")["outlay_musd"].rename(n) for n, result in enumerate(results)
    ]
    table = pd.concat(paid, axis=1).sort_index().reset_index()
    return table.set_axis(["fiscal_year", *names], axis=1)


def _cell(value: Any, path: str = "") -> str:
    """A value as text, years as years. path: of the field or the column."""
    if value is None or value != value:
        return ABSENT
    if isinstance(value, float):
        if "year" in path.rpartition(".")[2] and 1900 <= value < 2300:
            return f"{value:.7g}"
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)


# Where each material comes from, now, later and in a crisis: shares along the chain.
RESERVE, SHORT, OTHERS = "releases from the reserve", "shortfall", "other countries"
LAST = ("OTH", OTHERS, RESERVE, SHORT)
"""Suppliers that are no single country, in their order after those that are; the first: what the statistics give as one."""
MOST_MATERIALS = 12
MOST_CHAINS, MOST_COUNTRIES = 3, 5
"""Chains that are drawn; countries of a step that are drawn separately."""
SMALL_SHARE = 0.03
"""Share up to which a country is drawn among `OTHERS`; and part of the feeds of a step up to which one is not drawn."""


@dataclass(frozen=True)
class Moment:
    """Who supplies what in a period of a scenario."""

    name: str
    parts: dict[str, dict[str, float]]
    """Material -> supplier (country, `RESERVE`, `SHORT`) -> tonnes."""
    taken: dict[tuple[str, str], float]
    """(feed, product that plants make of it) -> tonnes of the feed."""
    plants: list[tuple[str, dict[str, float]]]
    """(country, material -> tonnes that it makes, below 0 what it takes for them) of each producer."""
    users: dict[str, dict[str, tuple[float, float]]]
    """Material -> segment -> (what it gets, what it lacks) [t]."""

    @classmethod
    def of(cls, name: str, scenario: str, period: str, result: Result) -> Moment:
        """Out of the tables of a result."""

        def here(table: str) -> pd.DataFrame:
            found = result.tables[table]
            return found[(found["scenario"] == scenario) & (found["period"] == period)]

        recipes: dict[str, dict[str, float]] = defaultdict(dict)
        for row in result.data.rows("yields"):
            recipes[row.producer][row.material] = row.yield_t_per_t
        parts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        plants = list[tuple[str, dict[str, float]]]()
        taken, used = defaultdict[tuple[str, str], float](float), defaultdict[str, float](float)
        for run in rows_of(here("operations")):
            total = run.output_t + run.reserve_output_t
            recipe = recipes[run.producer.removesuffix(UNSUPPORTED)]
            gives = {material: per_t for material, per_t in recipe.items() if per_t > 0}
            feeds = {material: -per_t for material, per_t in recipe.items() if per_t < 0 and total > SMALL_T}
            for material, per_t in gives.items():
                if run.output_t * per_t > SMALL_T:
                    parts[material][run.country] += run.output_t * per_t
                for feed, amount in feeds.items():
                    taken[feed, material] += amount * total
            for feed, amount in feeds.items():
                used[feed] += amount * total
            plants.append((run.country, {material: per_t * run.output_t for material, per_t in recipe.items()}))
        for table, column, who in (("flows", "released_t", RESERVE), ("shortfalls", "shortfall_t", SHORT)):
            for code, tonnes in here(table).groupby("material")[column].sum().items():
                if tonnes > SMALL_T:
                    parts[str(code)][who] = float(tonnes)
        lost = here("shortfalls").groupby(["material", "segment"])[["shortfall_t", "substituted_t"]].sum()
        lacking = lost.T.to_dict("list")
        left = here("flows").groupby("material")["surplus_t"].sum()
        users = dict[str, dict[str, tuple[float, float]]]()
        for code, segments in wanted(result, int(period.partition(".")[0])).items():
            got = sum(t for who, t in parts.get(code, {}).items() if who != SHORT) - used[code] - left.get(code, 0.0)
            lacks = {segment: lacking.get((code, segment), [0.0, 0.0]) for segment in segments}
            each = (max(0.0, got) + sum(map(sum, lacks.values()))) / sum(segments.values())
            users[code] = {q: (max(0.0, t * each - sum(lacks[q])), lacks[q][0]) for q, t in segments.items()}
        return cls(name, parts, taken, plants, users)

    def shares(self, material: str) -> dict[str, float]:
        """Supplier -> share of all supply of a material and of what is missing."""
        parts = self.parts.get(material, {})
        return {who: tonnes / sum(parts.values()) for who, tonnes in parts.items() if tonnes > SMALL_T}

    def amount(self, material: str, who: str) -> str:
        """Share and tonnes of a supplier, in words; empty where there are none."""
        share = self.shares(material).get(who, 0.0)
        return f"{chance(share)} ({digits(self.parts[material][who])} t)" if share > 0 else ""


def worst_without(result: Result) -> str:
    """The scenario with the largest loss without the plan."""
    losses = result.tables["scenario_losses"].set_index("scenario")["loss_without_plan_musd"]
    return str(losses.idxmax())


def moments(result: Result) -> list[Moment]:
    """Now and at the end without a disruption, and the worst period of the scenario with the largest loss without the plan."""
    short, worst = result.tables["shortfalls"], worst_without(result)
    planned = list(dict.fromkeys(result.tables["stock"]["period"]))
    planned = planned or sorted(set(result.tables["operations"].query("not tail")["period"]))
    loss = short[(short["scenario"] == worst) & ~short["tail"]].groupby("period")["loss_musd"].sum()
    hit = str(loss.idxmax()) if len(loss) and loss.max() > 0 else planned[-1]
    at = {
        f"Now, FY{planned[0]}": (BASELINE_COURSE, planned[0]),
        f"End of plan, FY{planned[-1]}": (BASELINE_COURSE, planned[-1]),
        f"Worst year, FY{hit}": (worst, hit),
    }
    return [Moment.of(name, *place, result) for name, place in at.items()]


def most_at_stake(result: Result) -> list[str]:
    """Materials with demand, those first whose shortfalls cost most with the plan on average; what comes
    inside imported goods, which no plan can replace, last."""
    short, losses = result.tables["shortfalls"], result.tables["scenario_losses"].set_index("scenario")
    cost = (short["loss_musd"] * short["scenario"].map(losses["probability"])).groupby(short["material"]).sum()
    inside = {row.material for row in result.data.rows("materials") if row.embedded}
    forms = qualified_forms(result.plan, result.data)
    wanted = dict.fromkeys(forms.demand(row.material, row.segment)[0] for row in result.data.rows("demand"))
    return sorted(wanted, key=lambda code: (code in inside, -float(cost.get(code, 0.0))))


def wanted(result: Result, year: int) -> dict[str, dict[str, float]]:
    """Material -> segment -> what its users want at undisturbed prices in a fiscal year [t/yr]; nothing where nobody wants it."""
    forms, found = qualified_forms(result.plan, result.data), dict[str, dict[str, float]]()
    rows = sorted(result.data.rows("demand"), key=lambda row: (row.from_year > year, abs(row.from_year - year)))
    for row in reversed(rows):  # the last one that has begun stays
        code, segment = forms.demand(row.material, row.segment)
        found.setdefault(code, {})[segment] = row.demand_t_per_yr
    return {code: of for code, of in found.items() if sum(of.values()) > 0}


def supply(result: Result) -> tuple[pd.DataFrame, list[str], list[Moment], str]:
    """(material, supplier, shares with tonnes in words; materials most at stake; moments; who gives most) along all chains."""
    names, found = Names.of(result.data), moments(result)
    chosen = [code for code in most_at_stake(result) if any(moment.shares(code) for moment in found)][:MOST_MATERIALS]
    rows = [
        (names.material(step), names.country(who), *(moment.amount(step, who) for moment in found))
        for step in dict.fromkeys(step for code in chosen for step in chain(code, found))
        for who in ordered(step, found)
    ]
    top = []
    for code in chosen:
        most = [max(moment.shares(code).items(), key=lambda pair: pair[1], default=("nobody", 0.0)) for moment in found]
        top.append(f"{names.material(code)}: {', '.join(f'{names.country(who)} {chance(s)}' for who, s in most)}")
    table = pd.DataFrame(rows, columns=["material", "supplier", *(moment.name for moment in found)])
    return table, chosen, found, f"Top share: {'; '.join(moment.name for moment in found)}. {'. '.join(top)}."


def ordered(material: str, found: Iterable[Moment]) -> list[str]:
    """Suppliers of a material, the largest over some moments first; then those without a name, the reserve, what is missing."""
    weight: dict[str, float] = defaultdict(float)
    for moment in found:
        for who, share in moment.shares(material).items():
            weight[who] += share
    return sorted(weight, key=lambda who: (LAST.index(who) if who in LAST else -1, -weight[who], who))


def chain(product: str, found: Sequence[Moment]) -> list[str]:
    """A product and all that it is made of, the nearest feeds first."""
    steps = [product]
    for made in steps:  # it grows as it is read
        feeds = sorted({feed for moment in found for feed, of in moment.taken if of == made})
        steps += [feed for feed in feeds if feed not in steps]
    return steps


# A chain as it flows from its first feed to its users, in tonnes of its last step.
class Flow(NamedTuple):
    """From (step, supplier) to (step, country of a plant) or (number of steps, segment), as tonnes of the last step that it is
    enough for: with the average recipe of all plants where it leaves, with the plant's own where it arrives."""

    source: tuple[int, str]
    target: tuple[int, str]
    leaves: float
    arrives: float


@dataclass(frozen=True)
class Course:
    """The longest way through a chain along feeds with more than a small part by weight.

    steps: materials from the first feed to the product; drawn: suppliers of each as they are drawn, in order; worth: tonnes of the
    product that a tonne of each is enough for, on average over all plants and moments."""

    steps: list[str]
    drawn: list[list[str]]
    worth: list[float]

    @classmethod
    def of(cls, product: str, found: Sequence[Moment]) -> Course:
        """That of a product."""
        taken = {pair: sum(m.taken.get(pair, 0.0) for m in found) for moment in found for pair in moment.taken}

        def longest(made: str, after: tuple[str, ...]) -> list[str]:
            feeds = {feed: tonnes for (feed, of), tonnes in taken.items() if of == made and feed not in after}
            main = [feed for feed, tonnes in feeds.items() if tonnes > SMALL_SHARE * sum(feeds.values())]
            main.sort(key=lambda feed: -feeds[feed])
            return [*max((longest(feed, (*after, made)) for feed in main), key=len, default=[]), made]

        steps, drawn = longest(product, ()), []
        for step in steps:
            countries = [who for who in ordered(step, found) if who not in LAST]
            countries = [who for who in countries if max(m.shares(step).get(who, 0.0) for m in found) > SMALL_SHARE]
            drawn.append([*countries[:MOST_COUNTRIES], *LAST])
        course = cls(steps, drawn, [1.0] * len(steps))
        for n in reversed(range(len(steps) - 1)):
            runs = [run for moment in found for run in course.runs(moment, n)]
            of = sum(tonnes for _, tonnes, _ in runs)
            course.worth[n] = sum(made for _, _, made in runs) / of if of > 0 else course.worth[n + 1]
        return course

    def runs(self, moment: Moment, n: int) -> list[tuple[tuple[int, str], float, float]]:
        """(step and country, tonnes of the feed, tonnes of the last step that they are enough for) of each plant that takes the
        material of step n; a plant that takes several steps' counts to each by weight."""
        found = []
        for country, run in moment.plants:
            after = [k for k in range(n + 1, len(self.steps)) if run.get(self.steps[k], 0.0) > SMALL_T]
            if after and run.get(self.steps[n], 0.0) < 0:
                to, feed = after[-1], run[self.steps[n]]
                part = feed / sum(min(0.0, run.get(step, 0.0)) for step in self.steps[:to])
                found.append(((to, self.at(to, country)), -feed, run[self.steps[to]] * self.worth[to] * part))
        return found

    def at(self, n: int, who: str) -> str:
        """As whom a supplier is drawn."""
        return who if who in self.drawn[n] and who != LAST[0] else OTHERS

    def flows(self, moment: Moment) -> list[Flow]:
        """What reaches users, from the last step back. Who buys from whom is not in the tables: all share in all alike."""
        users, found = len(self.steps), defaultdict[Any, list[float]](lambda: [0.0, 0.0])
        reaches = [1.0] * users  # part of each step's supply that does
        for n in reversed(range(users)):
            step, worth = self.steps[n], self.worth[n]
            parts, own = moment.parts.get(step, {}), moment.users.get(step, {})
            goes = [(to, t * reaches[to[0]], made * reaches[to[0]]) for to, t, made in self.runs(moment, n)]
            goes += [((users, segment), t, t * worth) for segment, (t, _) in own.items()]
            supplied = sum(t for who, t in parts.items() if who != SHORT)
            asked = sum(t for _, t, _ in goes)
            reaches[n] = min(1.0, asked / supplied) if supplied > 0 else 0.0
            pairs = [(self.at(n, who), t / max(supplied, asked)) for who, t in parts.items() if who != SHORT]
            flows = [((n, who), to, t * worth * part, made * part) for who, part in pairs for to, t, made in goes]
            flows += [((n, SHORT), (users, segment), t * worth, t * worth) for segment, (_, t) in own.items()]
            for source, target, leaves, arrives in flows:
                found[source, target][0] += leaves
                found[source, target][1] += arrives
        return [Flow(*ends, *sizes) for ends, sizes in found.items() if max(sizes) > SMALL_T]


def courses(chosen: Sequence[str], found: Sequence[Moment]) -> list[Course]:
    """The chains to be drawn: of what is most at stake, without what is a step to more of it."""
    all_of = [Course.of(code, found) for code in chosen]
    part = {step for course in all_of for step in course.steps[:-1]}
    return [course for course in all_of if course.steps[-1] not in part][:MOST_CHAINS]


def by_country(result: Result, chosen: Sequence[str], found: Sequence[Moment]) -> pd.DataFrame:
    """country (code), supply_share, the_plan: those with a share of today's supply or with an act.

    supply_share: of what countries supply now, mean over the materials at stake and every step of their chains. the_plan: what it
    does there while nothing happens, in words: buys, signs with, supports."""
    known, share, does = Names.of(result.data), defaultdict[str, float](float), defaultdict[str, list[str]](list)
    parts = [found[0].parts.get(step, {}) for step in dict.fromkeys(s for code in chosen for s in chain(code, found))]
    made = [{who: t for who, t in each.items() if who not in (RESERVE, SHORT)} for each in parts]
    for each in filter(None, made):
        for who, tonnes in each.items():
            share[who] += tonnes / sum(each.values()) / sum(map(bool, made))
    home = {row.project: row.country for row in result.data.rows("projects")}
    bought = result.tables["acquisitions"].groupby(["country", "material"], sort=False)["acquired_t"].sum()
    for row in rows_of(bought[bought > SMALL_T].reset_index()):
        does[row.country].append(f"buys {digits(row.acquired_t)} t of {lower(known.material(row.material))}")
    for row in rows_of(result.tables["contracts"]):
        does[row.country].append(f"signs with {known.producer(row.activity)}")
    for row in rows_of(result.tables["projects"]):
        if row.share > SIGNED and row.package not in ("", "none"):
            does[home[row.project]].append(f"supports {known.producer(row.project)}")
    codes = sorted({*share, *does}, key=lambda code: (-share[code], code))
    rows = [(code, share[code], "; ".join(dict.fromkeys(does[code]))) for code in codes]
    return pd.DataFrame(rows, columns=["country", "supply_share", "the_plan"])
