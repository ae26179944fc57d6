"""Parts of the page of a backtest: ranks, tonnes, money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..core.frames import rows_of
from .journal import AGAIN, FIRST
from .page_tables import main_run, money, part, ratio, runs, span, table, text, tonnes, whole
from .result import Backtest
from .scorer import ROLLING, STATIC
from .words import ALWAYS


def head_part(found: Backtest) -> Iterator[str]:
    """What the run is, and what must be said."""
    label = {
        FIRST: "This is the first run.",
        AGAIN: "Scored again **after looking** at the first scoring; the plans are those of the first run, unchanged.",
    }.get(found.label, "This run was made **after looking** at an earlier one.")
    days = ", ".join(found.settings["replans"])
    yield (
        f"{label} The settings, the purchases of every plan and their hashes were fixed before the scoring began. Frozen on "
        f"{found.settings['freeze']}, played to {found.settings['end']}, planned again on {days}. Money is in "
        "million USD of the day."
    )
    brier = part(found, "brier")
    count = [f"Notices behind all outcomes: {int(brier.notices.max())}."] if len(brier) else []
    yield "What must be said whatever the numbers are:\n\n" + "\n".join(f"- {line}" for line in (*count, *ALWAYS))


def ranks_part(found: Backtest) -> Iterator[str]:
    """Rank, net and upper bound."""
    ranks = part(found, "ranks")
    if not len(ranks):
        return
    yield "### Where the plan stands among its rivals"
    yield (
        "Net = loss avoided + mark to market + sales - cost. Rank 1 is best; rivals that spend more than the budget "
        "and perfect foresight "
        "are not ranked. Nothing done is worth 0."
    )
    rows = []
    for (run, budget, plan), own in ranks.groupby(["run", "budget_musd", "plan"], sort=False):
        bought = part(found, "accounts", run=run, budget_musd=budget, plan=plan)
        rows.append(
            {
                "run": run,
                "budget": budget,
                "plan": str(plan).removeprefix("plan, "),
                "spent": bought.spent_musd.sum(),
                "ranks": span(own["rank"].min(), own["rank"].max(), whole),
                "of": own.of.max(),
                "net": span(own.net_musd.min(), own.net_musd.max(), money),
                "bound": span(own.bound_musd.min(), own.bound_musd.max(), money),
                "positive": f"{int((own.net_musd > 0).sum())} of {len(own)}",
            }
        )
    yield table(
        pd.DataFrame(rows),
        [
            ("run", "what was known", text),
            ("budget", "budget", money),
            ("plan", "plan", text),
            ("spent", "purchases", money),
            ("ranks", "rank", text),
            ("of", "of", whole),
            ("net", "net", text),
            ("positive", "functions under which it beats doing nothing", text),
            ("bound", "perfect foresight", text),
        ],
    )


def coverage_part(found: Backtest) -> Iterator[str]:
    """Tonnes lost and covered."""
    run = main_run(found)
    cover = part(found, "coverage", run=run)
    if not len(cover):
        return
    yield f"### Tonnes covered ({run})"
    lost = cover[(cover.lost_high_t.fillna(1) > 0) | (cover.covered_t > 0)]
    budgets = sorted(set(cover.budget_musd))
    rows = []
    for material in dict.fromkeys(lost.material):
        own = lost[lost.material == material]
        line: dict[str, Any] = {"material": material.replace("_", " ")}
        first = own.iloc[0]
        line["lost"] = _ends(first, "lost")
        for budget in budgets:
            line[f"b{budget:g}"] = "; ".join(
                _ends(row, "covered") or "gap" for row in rows_of(own[own.budget_musd == budget])
            )
        rows.append(line)
    yield (
        "Tonnes lost to the control as attributed, and covered by the static plan; by the rolling one. In brackets both "
        "ends: more can be covered where more was lost."
    )
    yield table(
        pd.DataFrame(rows),
        [("material", "material", text), ("lost", "lost (t)", text)]
        + [(f"b{budget:g}", f"covered at {money(budget)}", text) for budget in budgets],
    )
    none = sorted(set(cover[cover.says == "no physical loss"].material))
    yield f"No physical loss: {', '.join(none).replace('_', ' ') or 'none'}."
    sums = []
    for (budget, plan), own in cover.groupby(["budget_musd", "plan"], sort=False):
        covered, gone = own.covered_t.fillna(0).sum(), own.lost_t.fillna(0).sum()
        sums.append(
            {
                "budget": budget,
                "plan": str(plan).removeprefix("plan, "),
                "materials": int(((own.lost_t.fillna(0) > 0) & (own.covered_t > 0)).sum()),
                "with_loss": int((own.lost_t.fillna(0) > 0).sum()),
                "share": covered / gone if gone > 0 else None,
                "gross": _quotient(own, "gross"),
                "net": _quotient(own, "net"),
            }
        )
    yield "Sums of tonnes of different materials say little; the count of materials says more."
    yield table(
        pd.DataFrame(sums),
        [
            ("budget", "budget", money),
            ("plan", "plan", text),
            ("materials", "materials with a loss of which some is covered", whole),
            ("with_loss", "materials with a loss", whole),
            ("share", "share of all tonnes lost", ratio),
            ("gross", "share of the fall of shipments from the controlling country", ratio),
            ("net", "share of the fall against normal (upper bound, noisy)", ratio),
        ],
    )


def _ends(row: Any, what: str) -> str | None:
    """Tonnes with both ends; None: a gap."""
    central, low, high = (getattr(row, f"{what}{end}_t") for end in ("", "_low", "_high"))
    return None if pd.isna(central) else f"{tonnes(central)} ({tonnes(low)} to {tonnes(high)})"


def _quotient(own: pd.DataFrame, kind: str) -> float | None:
    whole_fall = float(own[f"{kind}_fall_t"].fillna(0).sum())
    return float(own[f"{kind}_covered_t"].fillna(0).sum()) / whole_fall if whole_fall > 0 else None


def purchases_part(found: Backtest) -> Iterator[str]:
    """Purchases by material."""
    run = main_run(found)
    bought = part(found, "by_material", run=run)
    if not len(bought):
        return
    yield f"### What the plan bought ({run})"
    shown = bought[bought.spent_musd > 0].assign(
        plan=lambda f: f.plan.str.removeprefix("plan, "), material=lambda f: f.material.str.replace("_", " ")
    )
    yield (
        "Cost: purchases with premium and holding, carried to the end at the discount rate. Mark to market: what is "
        "left at the price at "
        "the end less the haircut, at its low, central and high; 90 days after the control and at the peak no more "
        "than a year's depth "
        "is sold."
    )
    yield table(
        shown,
        [
            ("budget_musd", "budget", money),
            ("plan", "plan", text),
            ("material", "material", text),
            ("bought_t", "bought (t)", tonnes),
            ("spent_musd", "spent", money),
            ("cost_musd", "cost", money),
            ("sales_musd", "sales", money),
            ("market_low_musd", "market, low", money),
            ("market_musd", "central", money),
            ("market_high_musd", "high", money),
            ("control_musd", "90 days after the control", money),
            ("peak_musd", "at the peak", money),
        ],
    )


def net_part(found: Backtest) -> Iterator[str]:
    """Net by loss function."""
    run = main_run(found)
    net = part(found, "net", run=run)
    if not len(net):
        return
    yield f"### Net of every plan under each loss function ({run})"
    gaps = sorted(
        {name for cell in net.get("gaps", pd.Series(dtype=str)).dropna() for name in str(cell).split("; ") if name}
    )
    yield (
        "All functions are later than the plan and score it afterwards; they are never averaged. `market_cost` "
        "needs no damage model: "
        "released tonnes x (price - price at the freeze). A function without a value of its own for a material "
        "counts nothing for it"
        + (
            f"; released materials with such a gap under some function: {', '.join(gaps).replace('_', ' ')}."
            if gaps
            else "."
        )
    )
    named = ", ".join(f"`{name}`" for name in found.with_values)
    yield (
        f"Of the {len(found.functions)} functions {len(found.with_values)} have a value of their own for a material that "
        f"was planned and of which tonnes were lost ({named}); the others say the same as no loss at all, and that they "
        "agree means nothing."
    )
    yield from _avoided(found, run)
    for budget in sorted(set(net.budget_musd)):
        own = net[net.budget_musd == budget]
        rows = []
        for plan in dict.fromkeys(own.plan):
            mine = own[own.plan == plan].set_index("function")
            rows.append(
                {
                    "plan": plan,
                    "spent": mine.spent_musd.max(),
                    **{f"f{n}": mine.net_musd.get(f) for n, f in enumerate(found.functions)},
                }
            )
        yield f"Budget {money(budget)}:"
        yield table(
            pd.DataFrame(rows),
            [("plan", "plan", text), ("spent", "purchases", money)]
            + [(f"f{n}", f"`{f}`", money) for n, f in enumerate(found.functions)],
        )


def _avoided(found: Backtest, run: str) -> Iterator[str]:
    """Loss avoided by the plan, and money of all plans."""
    net = part(found, "net", run=run)
    rows = []
    for plan in (STATIC, ROLLING):
        for budget in sorted(set(net.budget_musd)):
            own = net[(net.plan == plan) & (net.budget_musd == budget)].set_index("function")
            avoided = {f"f{n}": own.avoided_musd.get(f) for n, f in enumerate(found.functions)}
            ends = span(own.net_low_musd.min(), own.net_high_musd.max(), money)
            rows.append({"plan": plan.removeprefix("plan, "), "budget": budget, **avoided, "ends": ends})
    yield "Loss avoided by the plan under each, and its net at both ends of losses and prices over all of them:"
    yield table(
        pd.DataFrame(rows),
        [("plan", "plan", text), ("budget", "budget", money)]
        + [(f"f{n}", f"`{f}`", money) for n, f in enumerate(found.functions)]
        + [("ends", "net, lowest to highest", text)],
    )
    accounts = part(found, "accounts", run=run)
    yield "Money of every plan:"
    yield table(
        accounts,
        [
            ("budget_musd", "budget", money),
            ("plan", "plan", text),
            ("spent_musd", "purchases", money),
            ("unspent_musd", "ordered and not spent", money),
            ("cost_musd", "cost", money),
            ("sales_musd", "sales", money),
            ("market_low_musd", "market, low", money),
            ("market_musd", "central", money),
            ("market_high_musd", "high", money),
            ("capped_musd", "a year's depth alone", money),
            ("note", "note", text),
        ],
    )
    yield "Net by function:"


def agreement_part(found: Backtest) -> Iterator[str]:
    """Functions that prefer the plan."""
    run = main_run(found)
    agree = part(found, "agreement", run=run)
    if not len(agree):
        return
    yield f"### How many functions prefer the plan ({run})"
    rows = []
    for (plan, rival), own in agree.groupby(["plan", "rival"], sort=False):
        line: dict[str, Any] = {"plan": str(plan).removeprefix("plan, "), "rival": rival}
        for row in rows_of(own):
            line[f"b{row.budget_musd:g}"] = f"{int(row.better)} of {int(row.of)}" + (
                f", {int(row.equal)} equal" if row.equal else ""
            )
        rows.append(line)
    budgets = sorted(set(agree.budget_musd))
    frame = pd.DataFrame(rows)
    for budget in budgets:
        frame[f"b{budget:g}"] = frame[f"b{budget:g}"].fillna("")
    yield table(
        frame,
        [("plan", "plan", text), ("rival", "rival", text)]
        + [(f"b{budget:g}", f"at {money(budget)}", text) for budget in budgets],
    )


def readings_part(found: Backtest) -> Iterator[str]:
    """Strict and vintage, with and without proxies."""
    net = part(found, "net", function="market_cost")
    names = runs(found)
    if not len(net) or len(names) < 2:
        return
    yield "### What the readings differ in"
    yield "Net under `market_cost` by what was known; strict and vintage differ by what the days between them are worth."
    rows = []
    for name in names:
        for plan in (STATIC, ROLLING):
            own = net[(net.run == name) & (net.plan == plan)]
            rows.append(
                {
                    "run": name,
                    "plan": plan.removeprefix("plan, "),
                    **{f"b{b:g}": v for b, v in zip(own.budget_musd, own.net_musd, strict=True)},
                }
            )
    budgets = sorted(set(net.budget_musd))
    yield table(
        pd.DataFrame(rows),
        [("run", "what was known", text), ("plan", "plan", text)]
        + [(f"b{b:g}", f"at {money(b)}", money) for b in budgets],
    )


def books_part(found: Backtest) -> Iterator[str]:
    """What re-plans were told of their reserve."""
    books = part(found, "books", run=main_run(found))
    if not len(books):
        return
    largest = books[books.budget_musd == books.budget_musd.max()]
    yield f"### What re-plans were told of their own reserve ({main_run(found)}, {money(books.budget_musd.max())})"
    yield (
        "Books have tonnes at prices that were out by then, and no release; the scores rest on what was held. "
        "Tonnes, and money left:"
    )
    yield table(
        largest.assign(material=lambda f: f.material.str.replace("_", " ")),
        [
            ("day", "day", text),
            ("material", "material", text),
            ("book_t", "on the books", tonnes),
            ("held_t", "held", tonnes),
            ("book_left_musd", "money left, books", money),
            ("left_musd", "in truth", money),
        ],
    )
