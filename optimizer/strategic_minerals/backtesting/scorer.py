"""The scoring of a backtest, in a process of its own: `python -m strategic_minerals.backtesting.scorer FOLDER OUT`.

It is started once settings and plans are fixed in the log of OUT, refuses where any of them is no longer what was fixed, and
only then opens the files of what happened. What it writes is OUT/scores.json.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.atomic_files import write_whole
from .acts import Answer, budget_quarters, orders_of, played, terms_of
from .apart import scored_apart
from .books_told import book_rows, known_on
from .calibration import brier, by_notice, calibrated, counted, noise, outcomes, references
from .foresight import foresight
from .journal import SCORED, digest, fix, label, require_unchanged
from .losses import MARKET_COST, LossFunctions, loss_functions
from .planner import canonical
from .realised import CASES, Realised
from .rivals import Rival, rivals
from .scores import Account, Scorer, total
from .settings import Settings
from .tables import KINDS, read_tables
from .timeline import label as quarter_label

SETTINGS, INDEX, SCORES = "settings.json", "plans.json", "scores.json"
STATIC, ROLLING = "plan, static", "plan, rolling"
FORESIGHT = "perfect foresight"
LOWER, UPPER = CASES[0], CASES[-1]
MIDDLE = "central, central"
"""Losses and prices of the end at their central figures."""

Rows = dict[str, list[dict[str, Any]]]


def scored(folder: Path, out: Path) -> dict[str, Any]:
    """Every score of a backtest whose plans stand in a folder. Raises InputError where they are not what was fixed."""
    require_unchanged(out)
    settings = Settings.model_validate_json((out / SETTINGS).read_text(encoding="utf-8"))
    index = json.loads((out / INDEX).read_text(encoding="utf-8"))
    tables = read_tables(folder, tuple(KINDS))
    history = Realised.of(tables, settings)
    functions = loss_functions(folder, settings.home, settings.freeze.year + 1)
    policy = tables["policy"].rows if "policy" in tables else ()
    minerals = dict(history.minerals) | minerals_of(tables["known"].rows)
    rows: Rows = {}
    for run in settings.runs:
        days = [answer.day for answer in _answers(out, index, run.name, settings.budgets_musd[0])][1:]
        known = known_on(folder, settings, run, days)
        for budget in settings.budgets_musd:
            answers = _answers(out, index, run.name, budget)
            scorer = _group(rows, run.name, budget, answers, settings, history, functions, policy)
            told = book_rows(answers, known, settings, budget, scorer)
            rows.setdefault("books", []).extend({"run": run.name, "budget_musd": budget, **row} for row in told)
            if budget == settings.budgets_musd[0]:
                _forecasts(rows, run.name, answers, settings, history, tables["events"].rows, minerals)
    rows["spikes"] = history.spikes()
    rows["noise"] = noise(history)
    rows["apart"] = scored_apart(settings, history, functions, policy)
    return {
        "label": label(out),
        "functions": [*functions.names, MARKET_COST],
        "functions_from": functions.source,
        "functions_with_values": _with_values(history, functions, rows["materials"]),
        "policy": bool(policy),
        "rolling": "rolling" in tables,
        "tables": rows,
    }


def _with_values(history: Realised, functions: LossFunctions, told: Sequence[Mapping[str, Any]]) -> list[str]:
    """Functions with a value of their own for a planned material of which tonnes were lost; the market cost always has one."""
    could = {row["material"] for row in told if row["planned"]}
    lost = [m for m in could if (ends := history.attributed(m)) is not None and max(ends) > 0]
    return [*(f for f in functions.names if any((f, m) in functions.values for m in lost)), MARKET_COST]


def minerals_of(rows: Sequence[Any]) -> dict[str, str]:
    """Material -> the mineral that most of its rows name."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.material and row.mineral:
            found.setdefault(row.material, []).append(row.mineral)
    return {material: max(dict.fromkeys(names), key=names.count) for material, names in found.items()}


def _answers(out: Path, index: Sequence[Mapping[str, Any]], run: str, budget: float) -> list[Answer]:
    mine = [line for line in index if line["run"] == run and line["budget_musd"] == budget]
    return [
        Answer(dt.date.fromisoformat(line["day"]), json.loads((out / line["file"]).read_text(encoding="utf-8")))
        for line in sorted(mine, key=lambda line: str(line["day"]))
    ]


def _group(
    rows: Rows,
    run: str,
    budget: float,
    answers: Sequence[Answer],
    settings: Settings,
    history: Realised,
    functions: Any,
    policy: Sequence[Any],
) -> Scorer:
    """All plans of a run at a budget: the plan, static and rolling, its rivals and the upper bound; what they were scored with."""
    terms = terms_of(answers)
    scorer = Scorer(history, terms, functions, settings.estimates.discount_rate.value, list(played(settings)))
    first = answers[0].content["materials"]
    use = {row["material"]: (row["use_t"], row["price_usd_per_kg"]) for row in first if row["planned"]}
    use = {m: v for m, v in use.items() if history.end_price(m) is not None}
    place = {"run": run, "budget_musd": budget}
    plans: list[tuple[Rival, float | None]] = []
    for name, known in ((STATIC, answers[:1]), (ROLLING, answers)):
        orders, sales = orders_of(known, settings.end)
        plans.append((Rival(name, tuple(orders), tuple(sales)), budget))
    plans += [
        (rival, budget if rival.scaled and not rival.history else None)
        for rival in rivals(settings, budget, use, terms_of(answers[:1]), policy)
    ]
    nets: dict[str, dict[str, dict[str, float]]] = {}
    for rival, limit in plans:
        accounts: dict[str, list[Account]] = {}
        for case in CASES:
            ledger = scorer.ledger(rival.orders, rival.sales, case, limit)
            accounts[case] = scorer.accounts(ledger, case, rival.older_sales)
        rows.setdefault("accounts", []).append(place | _totals(rival, accounts))
        nets[rival.name] = {
            f: {
                f"{case}, {end}": sum(account.net(f, n) for account in accounts[case])
                for case in CASES
                for n, end in enumerate(CASES)
            }
            for f in scorer.names
        }
        for f in scorer.names:
            rows.setdefault("net", []).append(place | _net(rival, f, accounts, nets))
        if rival.name in (STATIC, ROLLING):
            _detail(rows, place, rival, limit, scorer, accounts)
    for f in scorer.names:
        best = foresight(scorer, f, list(use | terms), list(budget_quarters(settings)), budget, "central")
        line = {"plan": FORESIGHT, "function": f, "net_musd": best.net_musd, "spent_musd": best.spent_musd}
        nets.setdefault(FORESIGHT, {})[f] = {MIDDLE: best.net_musd}
        rows.setdefault("net", []).append(place | line | {"ranked": False, "covered_t": sum(best.covered_t.values())})
    _ranks(rows, place, [rival for rival, _ in plans], nets, scorer.names)
    return scorer


def _totals(rival: Rival, accounts: Mapping[str, Sequence[Account]]) -> dict[str, Any]:
    """One plan: money and tonnes over all materials."""
    central = accounts["central"]
    found: dict[str, Any] = {"plan": rival.name, "scaled": rival.scaled, "note": rival.note}
    for what in ("spent_musd", "cost_musd", "sales_musd", "market_musd", "capped_musd", "unspent_musd"):
        found[what] = total(central, what)
    for end, n in ((LOWER, 0), (UPPER, 2)):
        found[f"cost_{end}_musd"] = total(accounts[end], "cost_musd")
        found[f"market_{end}_musd"] = sum(account.market_ends[n] for account in central)
    value = {a.material: a for a in central if a.covered_t > 0}
    found["materials_released"] = "; ".join(sorted(value))
    return found


def _net(
    rival: Rival, function: str, accounts: Mapping[str, Sequence[Account]], nets: Mapping[str, Any]
) -> dict[str, Any]:
    """Net of one plan under one function."""
    central = accounts["central"]
    gaps = [a.material for a in central if a.covered_t > 0 and a.avoided_musd.get(function) is None]
    own = nets[rival.name][function]
    return {
        "plan": rival.name,
        "function": function,
        "avoided_musd": sum(a.avoided_musd.get(function) or 0.0 for a in central),
        "gaps": "; ".join(gaps),
        "net_musd": own[MIDDLE],
        "net_low_musd": min(own.values()),
        "net_high_musd": max(own.values()),
        "spent_musd": total(central, "spent_musd"),
        "ranked": rival.scaled,
    }


def _detail(
    rows: Rows,
    place: Mapping[str, Any],
    rival: Rival,
    limit: float | None,
    scorer: Scorer,
    accounts: Mapping[str, Sequence[Account]],
) -> None:
    """The plan by material: tonnes covered, money, and other days of the market."""
    falls = {kind: scorer.covered(rival.orders, rival.sales, kind, limit) for kind in ("gross", "net")}
    by_case = {case: {a.material: a for a in accounts[case]} for case in CASES}
    for material in scorer.history.inputs:
        ends = scorer.history.attributed(material)
        own = [by_case[case].get(material) for case in CASES]
        covered = [0.0 if a is None else a.covered_t for a in own]
        line: dict[str, Any] = {"plan": rival.name, "material": material}
        line["lost_t"], line["lost_low_t"], line["lost_high_t"] = (
            (None,) * 3 if ends is None else (ends[1], ends[0], ends[2])
        )
        line["covered_t"], line["covered_low_t"], line["covered_high_t"] = covered[1], covered[0], covered[2]
        line["says"] = _says(ends, covered[1])
        for kind in ("gross", "net"):
            line[f"{kind}_fall_t"], line[f"{kind}_covered_t"] = falls[kind][material]
        rows.setdefault("coverage", []).append({**place, **line})
    ledger = scorer.ledger(rival.orders, rival.sales, "central", limit)
    days = {row["material"]: row for row in scorer.other_days(ledger, "central")}
    for material, account in by_case["central"].items():
        rows.setdefault("by_material", []).append(
            {
                **place,
                "plan": rival.name,
                "material": material,
                "bought_t": account.bought_t,
                "spent_musd": account.spent_musd,
                "unspent_musd": account.unspent_musd,
                "cost_musd": account.cost_musd,
                "sales_musd": account.sales_musd,
                "left_t": account.left_t,
                "market_musd": account.market_musd,
                "market_low_musd": account.market_ends[0],
                "market_high_musd": account.market_ends[2],
                "capped_musd": account.capped_musd,
                **{key: days.get(material, {}).get(key) for key in ("control_musd", "peak_musd")},
                "without_loss_avoided_musd": account.market_musd + account.sales_musd - account.cost_musd,
                "outcome": scorer.history.inputs[material].outcome_3yr if material in scorer.history.inputs else None,
            }
        )
    for entry in ledger:
        if entry.bought_t > 0 or entry.sold_t > 0 or entry.released_t > 0:
            rows.setdefault("ledger", []).append(
                {
                    **place,
                    "plan": rival.name,
                    "material": entry.material,
                    "quarter": quarter_label(entry.quarter),
                    "bought_t": entry.bought_t,
                    "spent_musd": entry.spent_musd,
                    "sold_t": entry.sold_t,
                    "released_t": entry.released_t,
                    "stock_t": entry.after_t,
                    "price_usd_per_kg": entry.price_usd_per_kg,
                }
            )


def _says(ends: Sequence[float] | None, covered: float) -> str:
    """The share covered, or why there is none."""
    if ends is None:
        return "gap"
    if max(ends) <= 0:
        return "no physical loss"
    return "no physical loss, centrally" if ends[1] <= 0 else f"{covered / ends[1]:.0%}"


def _ranks(
    rows: Rows, place: Mapping[str, Any], plans: Sequence[Rival], nets: Mapping[str, Any], functions: Sequence[str]
) -> None:
    """Rank of each version of the plan among its rivals under each function, and how many functions agree on each of them."""
    ranked = [rival.name for rival in plans if rival.scaled and rival.name not in (STATIC, ROLLING)]
    for mine in (STATIC, ROLLING):
        for f in functions:
            own = nets[mine][f][MIDDLE]
            better = sum(nets[name][f][MIDDLE] > own + 1e-9 for name in ranked)
            bound = nets[FORESIGHT][f][MIDDLE]
            rows.setdefault("ranks", []).append(
                {
                    **place,
                    "plan": mine,
                    "function": f,
                    "rank": better + 1,
                    "of": len(ranked) + 1,
                    "net_musd": own,
                    "bound_musd": bound,
                }
            )
        for name in [rival.name for rival in plans if rival.name not in (STATIC, ROLLING)]:
            differences = [nets[mine][f][MIDDLE] - nets[name][f][MIDDLE] for f in functions]
            rows.setdefault("agreement", []).append(
                {
                    **place,
                    "plan": mine,
                    "rival": name,
                    "better": sum(d > 1e-9 for d in differences),
                    "equal": sum(abs(d) <= 1e-9 for d in differences),
                    "of": len(functions),
                    "least_musd": min(differences),
                    "most_musd": max(differences),
                }
            )


def _forecasts(
    rows: Rows,
    run: str,
    answers: Sequence[Answer],
    settings: Settings,
    history: Realised,
    events: Sequence[Any],
    minerals: Mapping[str, str],
) -> None:
    """Calibration of the first plan, Brier scores beside the references, and which materials each plan could plan."""
    first = answers[0].content
    inside = calibrated(first["intervals"], history)
    rows.setdefault("calibration", []).extend({"run": run, **row} for row in inside)
    rows.setdefault("calibration_counts", []).extend({"run": run, **row} for row in counted(inside))
    happened = outcomes(history)
    if happened:
        refer = references(history, events, minerals, settings)
        said = {row["material"]: row["probability"] for row in first["controls"]}
        own = {m: said.get(m, refer["pooled counts"][m]) for m in happened}
        missing = [m for m in happened if m not in said]
        for name, chances in {"plan": own, **refer}.items():
            notices, score = by_notice(chances, history)
            rows.setdefault("brier", []).append(
                {
                    "run": run,
                    "forecast": name,
                    "score": brier(chances, happened),
                    "materials": len(happened),
                    "notices": notices,
                    "score_by_notice": score,
                    "without_forecast": "; ".join(missing) if name == "plan" else "",
                }
            )
        rows.setdefault("probabilities", []).extend(
            {"run": run, "material": m, "plan": own[m], "own_counts": refer["own counts"][m], "outcome": o}
            for m, o in happened.items()
        )
    for answer in answers:
        for row in answer.content["materials"]:
            if row["material"] in history.inputs or row["planned"]:
                rows.setdefault("materials", []).append(
                    {
                        "run": run,
                        "day": answer.day.isoformat(),
                        "material": row["material"],
                        "planned": row["planned"],
                        "why_not": row["why_not"],
                        "origins": row["origins"],
                        "stale": "; ".join(row["stale"]),
                    }
                )
        told = {row["material"] for row in answer.content["materials"]}
        for material in history.inputs:
            if material not in told:
                rows.setdefault("materials", []).append(
                    {
                        "run": run,
                        "day": answer.day.isoformat(),
                        "material": material,
                        "planned": False,
                        "why_not": "no row of it can be read on this day",
                        "origins": "",
                        "stale": "",
                    }
                )


def main(arguments: Sequence[str]) -> int:
    """Score the plans of a folder, and say so in its log."""
    folder, out = (Path(argument) for argument in arguments)
    found = scored(folder, out)
    text = canonical(found)
    write_whole(out / SCORES, [text])
    fix(out, SCORED, {"label": found["label"], "scores": digest(text.encode())})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
