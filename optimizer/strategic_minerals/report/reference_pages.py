"""Pages that are written from the code, so that they cannot drift: formulation, dictionary of the tables, public names.

`python -m strategic_minerals.report.reference_pages` writes them into a checkout; a test holds them to the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

from ..core.shipped import PACKAGE, shipped
from ..finance import floor_costs, market_floors
from ..formulation import branch, commitments, flat, operations, scenario
from ..formulation.catalogue import COMPONENTS, Component
from ..instance import producer_economics
from ..results.prices import MEANING
from ..schemas.descriptions import meaning
from ..schemas.tables import FACT_TABLES, TABLES

PAGES = {"FORMULATION.md": "models", "README.md": "inputs"}


def formulation_page() -> str:
    """The mathematics: components, constraint families with their equations, prices, deviations."""
    parts = [FORMULATION_HEAD]
    for kind, title in (("variable", "Variables"), ("parameter", "Parameters that differ between stamps")):
        parts.append(f"## {title}\n\n| block | name | index | unit | symbol | meaning |\n|---|---|---|---|---|---|")
        parts[-1] += "".join(f"\n{_row(c)}" for c in COMPONENTS if c.kind == kind)
    parts.append("## Constraint families\n\nOne function each; equations and units are its docstring.")
    for module, block in (
        (commitments, "commitments"),
        (operations, "period"),
        (branch, "branch"),
        (scenario, "scenario"),
    ):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("add_") and function.__module__ == module.__name__ and _equation(function):
                parts.append(f"### {block}: `{name.removeprefix('add_')}`\n\n{_equation(function)}")
    parts.append("## Aims\n\nThe objectives of the flat model, and the terms that they share.")
    parts += _told(flat, ("social_cost", "weighted_risk", "spending", "expected", "soft_penalties", "tail_risk"))
    parts += _told(operations, ("add_costs",))
    parts += _told(commitments, ("add_commitment_costs", "operating_outlay", "contract_fees", "trunk_spending", "cvar"))
    parts.append(
        "## Before the solve: what supports do\n\nPure functions of data; their results enter the model as numbers."
    )
    for module in (producer_economics, floor_costs, market_floors):
        parts += _told(
            module,
            [
                n
                for n, f in vars(module).items()
                if inspect.isfunction(f)
                and f.__module__ == module.__name__
                and not n.startswith("_")
                and n not in HELPERS
            ],
        )
    parts.append(PRICES_HEAD)
    parts[-1] += "".join(f"\n- `{name}`: {meaning.format(aim='aim')}" for name, meaning in MEANING.items())
    parts.append(DEVIATIONS)
    return "\n\n".join(parts) + "\n"


PRICES_HEAD = """## Prices

From the linear program with commitments fixed at the answer, counted in the first stage of the plan's aim, reported >= 0
where a demand binds. What is avoided is concave in every limit: one unit more brings the price up to the next kink and less
beyond, so a price is the most that it brings. Where the answer is itself at a kink (a degenerate basis) the price is one of the
slopes between that of the unit before and that of the unit after; `explain` tells how far each holds. Where holding the opening
stock already costs more than is appropriated, one more USD moves no limit and has no price.
"""

HELPERS = {"counted_price", "held", "total_money", "window_all"}
"""Functions of arrays alone, which say nothing about the question."""


def _told(module: Any, names: Iterable[str]) -> list[str]:
    """A paragraph for each function: its docstring, what follows the first sentence as a block."""
    found = []
    for name in names:
        head, _, rest = (inspect.getdoc(getattr(module, name)) or "").partition("\n\n")
        found.append(
            f"### `{name.removeprefix('add_')}`\n\n{head}" + (f"\n\n```\n{dedent(rest).rstrip()}\n```" if rest else "")
        )
    return found


def _row(c: Component) -> str:
    cells = (c.block, f"`{c.name}`", ", ".join(c.index) or "-", c.unit, c.symbol, c.text)
    return "| " + " | ".join(cells) + " |"


def _equation(function: object) -> str:
    """A docstring with its indented or formula lines as a code block; empty where it states no equation."""
    text = inspect.getdoc(function) or ""
    head, _, rest = text.partition("\n\n")
    if not rest or not re.search(r"(<=|>=|=)", rest):
        return ""
    return f"{head}\n\n```\n{dedent(rest).rstrip()}\n```"


def inputs_page() -> str:
    """The dictionary of the tables: every column with unit and meaning, written from the row schemas."""
    parts = [INPUTS_HEAD]
    for name, row_model in TABLES.items():
        role = "facts, read by the estimates and the checks" if name in FACT_TABLES else "read by plans"
        doc = (inspect.getdoc(row_model) or "").splitlines()[0]
        parts.append(
            f"## {name}.csv\n\n{doc} Key: {', '.join(f'`{k}`' for k in row_model.key)}. ({role})\n\n| column | meaning |\n|---|---|"
        )
        for column, field in row_model.model_fields.items():
            if column in ("source", "year", "confidence", "note") or column.endswith(("_low", "_high")):
                continue
            ranged = " (with `_low` and `_high`)" if f"{column}_low" in row_model.model_fields else ""
            needed = "" if field.is_required() else " Optional."
            text = " ".join((meaning(row_model, column) or column.replace("_", " ")).split())
            parts[-1] += f"\n| `{column}`{ranged} | {text}{'' if text.endswith('.') else '.'}{needed} |".replace(
                "..", "."
            )
    return "\n\n".join(parts) + "\n"


FORMULATION_HEAD = """# The mathematics of the model

*Written from the code by `python -m strategic_minerals.report.reference_pages`; do not edit.*

A planning authority decides, on the *trunk* (the course of things as long as nothing has happened), what to buy and hold,
which packages to sign for projects, which offtake contracts and market floors to commit to. In each *scenario* a *component*
(materials linked by a producer) leaves the trunk in the period in which an event first touches it, its onset, and follows a
*branch*: commitments stay, operations are chosen anew. So nobody buys for an event before it is seen.

The operations of one component in one period are one block of variables and constraints, a *stamp*. Stamps of trunk and
branches differ only in data: they are written once in Pyomo, compiled once with their mutable parameters kept symbolic, and
stamped for all periods and scenarios by one sparse product. Costs of a stamp count with `beta[t] * w0[c,t]` on the trunk
(w0: probability that nothing has happened to the component up to t) and `beta[t] * pi[s]` in a branch; fees, gap payments and
other commitment costs count with 1.

Aim (social cost): users' and authority's expected discounted cost + commitments + loss + terminal terms + lambda CVaR +
soft penalties, in million USD of the plan's price year. `risk_within_budget` and `least_budget` put other aims first and pass
them on with a slack. Results are differences to *doing nothing* (Z0), and
`relative_gap = (objective - bound) / max(|Z - Z0|, discounted appropriation, 1 million USD)`."""

DEVIATIONS = """## Choices where the general formulation leaves room, and why

- **One period, not one branch, is the compiled block.** Stamping over periods as well makes the compiled part ten times
  smaller and the onset of a branch a matter of which stamps exist. A branch's rows over several periods (money, service,
  loss) are a second small block; in periods before the onset they refer to the trunk's variables, where branch and trunk
  prices are equal, so those terms cancel by themselves.
- **The reference price of a floor is the producer's own**, (1+premium)*P, both in what the owner receives and in what the
  payer pays: with a premium, paying max(0, F-P) would pay more than anybody receives.
- **The budget counts a floor's expected payment only where it is positive** in a period; receipts of an upside share reduce
  the social cost and the liability but are not money to spend, as sales are not.
- **A project's own floor runs from first output, a market floor from the first period**, each for its term.
- **Packages and contracts are signed in the first period of a fiscal year**, as programmes are. A baseline project is signed
  by its owner on its own date, whatever the plan's signing years.
- **Output classes**: options of a project that give the same output in every scenario share one variable, so that branches see
  a few classes instead of every package and date.
- **No disposal on the trunk unless the plan asks for it** (`trunk_disposal`). A branch may spend what the trunk had planned to
  spend on purchases; with disposal allowed, the rare-earth plan bought 870 t and sold 435 t of NdPr oxide in the same year,
  only to have that money planned for its branches.
- **`branch_money = "appropriated"` lets a branch spend what the year's appropriation leaves unspent**, shared by all materials
  struck. Bound to what the trunk had planned for purchases (the default), a plan books purchases that it all but never makes
  only to have their money in a crisis: with a cut of probability 0.9 and 10 kt on offer at 10 USD/kg, another 10 kt at 100
  USD/kg raised the worth of the plan from 108 to 504 million USD. With the year's money available it is 540, and the dear
  offer changes nothing. It buys only what is tight, or a branch that knows its squeeze would spend the year in the flood before
  it, and it is refused where the aim counts spending. The shipped plans that weigh social cost use it.
- **With `price_gain = false` floors pay at no more than the trunk's price** in a disruption: otherwise claw-back at crisis prices
  pays for them (641 of 1,139 million USD of a rare-earth plan). A flood costs what it costs.
- **Along a chain the rule on surplus is not enough** (trap 3): a release that goes into use frees output for export, which earns
  the crisis price; with `price_gain = true` a rare-earth plan released 6,200 t of magnets and exported 6,900 t while users whose
  loss per tonne lay below the crisis price went short. `price_gain = false` takes the reason away; the split of the value shows it.
- **The shipped rare-earth and all-minerals plans set `price_gain = false`.** With crisis prices counted, more than half of the
  worth of the rare-earth reserve was a gain on prices (952 of 1,685 million USD), and it crowded out plants and floors; without,
  shortage losses fall from 2,249 to 316 instead of from 3,203 to 1,739.
- **Rationing, offtake and crisis availability last as long as the squeeze**: for the share of a period in which an event on the
  component lasts. Counted by whole periods, three months of event withheld a year of allied output.
- **A project under construction is `committed`**: it stands whatever the plan does, its capital is sunk, and the plan may still
  give it a floor that carries it through a flood.
- **Least shares count output net of exports**: surplus run for export is no home supply.
- **Penalties** are undiscounted. Those of service levels count once, whatever the scenario's probability: they state what a promise
  is worth to the planner. Those of diversification rules, which speak of the trunk, carry its weight w0[c,t]. Where w0 is below
  1e-9 nobody can be on the trunk: it counts as 0, and there no penalty counts, no rule holds (a hard one would turn a course that
  nobody can be on into a reason for "no plan") and no cap on trunk shortfall.
- **Doing nothing is one point.** Where several courses cost the same, ties are broken in this order: cost; trunk shortfall weighted
  by its loss v, then of each material and segment in the order of the tables; the loss of each branch. Value at risk and tails are
  then computed, not solved for: eta is the smallest alpha-quantile of the losses. Otherwise CVaR without a plan, the caps on trunk
  shortfall and the avoided loss hang on the vertex at which a solver stops (21 of 40 plans were misstated, by up to 441 %).
  Taken apart, the master is settled with what clusters lean on held where it is, then each cluster by itself.
- **Aims in turn state differences to doing nothing of the same figure, at the plan as it is**: what a later aim gives up of an
  earlier one within the slack counts. Totals are told as totals beside them, penalties apart. The slack is never less than 1e-9
  of the terms of an aim, which is what rounding can hide.
- **"No plan" needs a witness.** Doing nothing keeps every rule but the demands by construction, so a solver that finds no point
  with all demands open, misses nothing at the best of them, or calls doing nothing infeasible contradicts itself, and is not
  trusted.
- **What is owed already is no reason for "no plan"**: holding the opening stock costs money that no decision of the plan can
  spare. The budget pays it; where a year's appropriation is less, that year's limit is what is owed, and the plan says so.
- **The right to buy under a purchase floor lasts as long as the floor**, not as long as the project.
- **A package with a floor of its own on a material is excluded by a market floor on that material** for which the project is
  eligible: it has no variant, and with both its output would be topped up twice. A market floor that leaves the project aside
  (home producers only, say) does not exclude it.
- **`revolving` recycles disposals, never proceeds of releases**; stock left is worth the lower of trunk and scenario prices also
  with `price_gain = false`.
- **Short of a promise is counted by whole periods from the onset to the end of the event**, as the service level is
  (`scenarios.promises.short_of_promise`): in the model, along other scenarios and in reverse stress tests alike.
- **The solver counts money in a unit of its own** where a plan's money is far from a thousand million USD a year, as it counts
  each material in a power of ten tonnes: its tolerances are absolute. At prices times 2e5 it called plans infeasible before.
- **Floors agreed before the plan** (MP Materials, 110 USD/kg) keep a source alive and cost this plan nothing.
- **Sampled plans keep a probability for the scenario without any event** (`quiet_probability`), or the late trunk would have no
  weight and its plan no meaning.
- **Price states never shut a plant**, so floors look a little dearer than they are."""

INPUTS_HEAD = """# The tables: what is known

*Written from the row schemas by `python -m strategic_minerals.report.reference_pages`; do not edit.*

One CSV file a table, UTF-8. Every row has `source`, `year` (the year the figure stands for), `confidence` (`reported`: a source
prints it; `derived`: computed from reported figures, arithmetic in the note; `estimate`: assumed) and `note`. An estimate
has `_low` and `_high` beside the value and comes from one documented function of `strategic_minerals.data.estimates`, named in
the note; a test computes each one again. Empty means not published. `NA` is text (Namibia), never a missing value.

Tonnes are tonnes of contained material in the form that `materials.basis` names; prices are USD/kg of the same form. Rows of
`prices`, `activities`, `projects`, `packages`, `substitution` and `loss_functions` name the year of their money; a plan
restates them to its own `price_year` with the consumer price index in `deflators`. Price set `mcs2024` holds the averages of
2024, the last full
year that USGS reports; `mcs2025e` its estimates for 2025; `quotes2026` newer quotes where there are any.

Tables are of one home: demand, stock and imports are those of the country whose `tier` in `countries` is `home` (here `USA`), and a
plan's `home` must be that country. For another home, replace those tables and move the tier. Names in one cell are separated by
spaces or commas. A name that no table defines is a fault in every table, with what may have been meant. Figures are held
against each other (prices in other sets and `minerals`, capacity and demand against world output in `production` and use in
`minerals`, costs against what output is worth, an estimate against the arithmetic in its note): `check` doubts the one that
most of the rest speaks against.

What it covers: the rare-earth chain from concentrate or mixed carbonate over separated oxides and metal to NdFeB and SmCo
magnets, joint products from one ore body, and more than thirty other minerals at the stage that is the bottleneck. What it
does not: demand by single rare earth, defence shares of most minerals, operating costs of Lynas and of magnet makers,
holdings of the US stockpile by material are not published; they are estimates or absent, and say so."""


def api_table() -> str:
    """The public names of the package, each with the first sentence of its docstring."""
    package = import_module(PACKAGE.name)
    rows = [f"| `{name}` | {_first_sentence(getattr(package, name))} |" for name in package.__all__]
    return "\n".join(["| name | what it is |", "|---|---|", *rows])


def _first_sentence(named: Any) -> str:
    """Of a docstring, on one line; a bar would end the cell."""
    paragraph = " ".join((inspect.getdoc(named) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0].replace("|", "\\|")


def marks(name: str) -> tuple[str, str]:
    """What stands before and after a part of a page that is written from the code."""
    return f"<!-- {name}: written from the code -->", f"<!-- {name}: end -->"


def filled(page: str, name: str, content: str) -> str:
    """A page with new content between the marks of a name. Raises ValueError where it does not have each of them once."""
    begin, end = marks(name)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"expected {begin} and {end} once each")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def package_page() -> str:
    """The package's README with the table of its public names as the code has them."""
    return filled((PACKAGE / "README.md").read_text(encoding="utf-8"), "api", api_table())


def write_pages() -> list[Path]:
    """Write the generated pages into the checkout's folders."""
    written = []
    for (name, kind), text in zip(PAGES.items(), (formulation_page(), inputs_page()), strict=True):
        path = shipped(kind) / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    path = PACKAGE / "README.md"
    path.write_text(package_page(), encoding="utf-8")
    return [*written, path]


if __name__ == "__main__":
    write_pages()
