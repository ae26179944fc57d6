"""Pages generated from the code, so that both agree: formulation, dictionary of the tables, public names.

`python -m strategic_minerals.report.reference_pages` writes them into a checkout; a test compares them with the code.
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
from ..finance import floor_costs, market_floors, owner_expectation
from ..formulation import branch, commitments, costs, flat, operations, pools, scenario, users_stock
from ..formulation.catalogue import COMPONENTS, Component
from ..instance import producer_economics
from ..results.prices import MEANING
from ..schemas.columns import meaning
from ..schemas.tables import FACT_TABLES, TABLES

PAGES = {"FORMULATION.md": "models", "README.md": "inputs"}


def formulation_page() -> str:
    """The mathematics: components, constraint families with their equations, prices, deviations."""
    parts = [FORMULATION_HEAD]
    for kind, title in (("variable", "Variables"), ("parameter", "Parameters that differ between block instances")):
        parts.append(f"## {title}\n\n| block | name | index | unit | symbol | meaning |\n|---|---|---|---|---|---|")
        parts[-1] += "".join(f"\n{_row(c)}" for c in COMPONENTS if c.kind == kind)
    parts.append("## Constraint families\n\nOne function each; its docstring states equations and units.")
    for module, block in (
        (commitments, "commitments"),
        (operations, "period"),
        (pools, "period"),
        (users_stock, "period"),
        (branch, "branch"),
        (scenario, "scenario"),
    ):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("add_") and function.__module__ == module.__name__ and _equation(function):
                parts.append(f"### {block}: `{name.removeprefix('add_')}`\n\n{_equation(function)}")
    parts.append("## Objectives\n\nThe objectives of the flat model, and their common terms.")
    parts += _told(flat, ("social_cost", "weighted_risk", "spending", "expected", "soft_penalties", "tail_risk"))
    parts += _told(costs, ("add_costs",))
    parts += _told(commitments, ("add_commitment_costs", "operating_outlay", "contract_fees", "trunk_spending", "cvar"))
    parts.append(
        "## Before the solve: effects of support\n\nPure functions of data; their results enter the model as numbers."
    )
    for module in (producer_economics, owner_expectation, floor_costs, market_floors):
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

Shadow prices of the linear program with commitments fixed at the answer, in units of the first stage of the objective, reported
>= 0 where a constraint binds. The value is concave in every limit: one more unit is worth the price up to the next kink and less
beyond, so a price is an upper bound on the value of more. If the answer is itself at a kink (a degenerate basis), the price is one
of the slopes between that of the previous and that of the next unit; `explain` states the range of each. If holding the opening
stock already costs more than the appropriation, one more USD does not relax the limit and has no price.
"""

HELPERS = {
    "counted_price",
    "held",
    "own_prices",
    "revenue_of",
    "survival_of",
    "total_money",
    "then_trunk",
    "trunk_courses",
    "unchanged_rate",
    "window_all",
}
"""Functions that only handle arrays and state no part of the model."""


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
        role = "facts, used by estimates and checks" if name in FACT_TABLES else "used by plans"
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

A planning authority decides, on the *baseline course* (the course without a disruption; `trunk` in names), what to buy and hold,
which packages to sign for projects, and which offtake contracts and market floors to commit to. In each *scenario* a *component*
(materials linked by producers) leaves the baseline course in the period in which an event first affects it, its onset, and
follows a *branch*: commitments are fixed, operations are re-optimised (recourse). So nobody buys for an event before it begins.

The operations of one component in one period form one block of variables and constraints. The instances of this block on the
baseline course and in branches differ only in data: the block is written once in Pyomo, compiled once with its mutable parameters
kept symbolic, and instantiated for all periods and scenarios by one sparse product. Costs of an instance are weighted by
`beta[t] * w0[c,t]` on the baseline course (w0: probability that no event has affected the component up to t) and by
`beta[t] * pi[s]` in a branch; fees, gap payments and other commitment costs have weight 1.

Objective (social cost): expected discounted cost of users and authority + commitments + loss + terminal terms + lambda CVaR +
soft penalties, in million USD of the plan's price year. `risk_within_budget` and `least_budget` minimise other objectives first
and constrain them, with a slack, in later stages. Results are differences to the reference plan without action (Z0), and
`relative_gap = (objective - bound) / max(|Z - Z0|, discounted appropriation, 1 million USD)`."""

DEVIATIONS = """## Modelling choices and reasons

- **The compiled block is one period, not one branch.** Instantiating it for all periods as well makes the compiled part ten times
  smaller, and the onset of a branch only decides which instances exist. Constraints of a branch over several periods (money,
  service, loss) are a second small block; before the onset they refer to the variables of the baseline course, where its prices
  and those of the branch are equal, so these terms cancel.
- **The reference price of a floor is the producer's own price**, (1+premium)*P, both for what the owner receives and for what the
  payer pays: with a premium, max(0, F-P) would pay more than the owner receives.
- **The budget counts a floor's expected payment only if it is positive** in a period; receipts from an upside share reduce the
  social cost and the liability but cannot be spent, like sales proceeds.
- **A project's own floor runs from first output, a market floor from the first period**, each for its term.
- **Packages and contracts are signed in the first period of a fiscal year**, like government programmes. A baseline project is
  signed by its owner on its own date, independent of the plan's signing years.
- **Output classes**: options of a project with the same output in every scenario share one variable, so that branches contain a
  few classes instead of every package and date.
- **No disposal on the baseline course unless the plan allows it** (`trunk_disposal`). A branch may spend what was planned for
  purchases on the baseline course; with disposal allowed, the rare-earth plan bought 870 t and sold 435 t of NdPr oxide in the
  same year, only to make that money available in its branches.
- **With `branch_money = "appropriated"` a branch may spend what is left of the year's appropriation**, shared by all materials
  affected. If limited to purchases planned on the baseline course (the default), a plan schedules purchases that it almost never
  makes, only to have the money in a crisis: with a cut of probability 0.9 and 10 kt on offer at 10 USD/kg, another 10 kt at 100
  USD/kg raised the value of the plan from 108 to 504 million USD. With the year's money available the value is 540, and the
  expensive offer has no effect. The money buys only tight materials, because a branch that knows the coming cut would otherwise
  spend it in the flood before, and it is refused if the objective counts spending. The shipped plans that minimise social cost
  use it.
- **With `price_gain = false` floors pay at most at the price of the baseline course** in a disruption: otherwise claw-back at
  crisis prices pays for them (641 of 1,139 million USD in a rare-earth plan). The cost of a flood is counted in full.
- **Along a supply chain the rule on surplus is not sufficient** (trap 3): a release for use frees output for export, which earns
  the crisis price; with `price_gain = true` a rare-earth plan released 6,200 t of magnets and exported 6,900 t while users whose
  loss per tonne was below the crisis price were not served. `price_gain = false` removes the incentive; the split of the value
  shows it.
- **The shipped rare-earth and all-minerals plans set `price_gain = false`.** With crisis prices counted, more than half of the
  value of the rare-earth reserve was a gain on prices (952 of 1,685 million USD), and it crowded out plants and floors; without,
  shortage losses fall from 2,249 to 316 instead of from 3,203 to 1,739.
- **Rationing, offtake and crisis availability last exactly as long as the event**: they apply for the share of a period in which
  an event affects the component. If whole periods were counted, an event of three months would withhold a year of allied output.
- **A project under construction is `committed`**: it is built in any case, its capital cost is sunk, and the plan may still give
  it a floor that keeps it open through a flood.
- **Capital that others have paid or promised is not lent again** (`financed_share`): the face of a loan, a grant or equity reaches
  min(max_share, 1 - financed_share) of the capital cost. The financing gap stays as it is, because the terms of the others'
  money are rarely published; a grant on top still closes what the face cannot.
- **Materials inside imported goods** (`embedded`, as magnets in motors and phones) have foreign sources and demand and nothing
  else, so each is a component without decisions: its loss is the same with any plan and cancels in Z - Z0. It is told in a line
  of its own and left out of the loss of a scenario, of CVaR, of limits on losses and of the choice of sampled scenarios, unless
  `[risk] embedded` is true.
- **Minimum shares count output net of exports**: surplus produced for export is not home supply.
- **Penalties** are undiscounted. Those of service levels count once, independent of the scenario's probability: they state the
  value of a promise to the planner. Those of diversification rules, which apply to the baseline course, have its weight w0[c,t].
  If w0 is below 1e-9, the baseline course cannot be reached: the weight counts as 0, and there no penalty counts, no rule applies
  (a hard one could make the plan infeasible for a course that cannot occur), and no cap on the shortfall.
- **The reference plan is unique.** If several courses cost the same, ties are broken in this order: cost; shortfall on the baseline
  course weighted by its loss v, then of each material and segment in the order of the tables; the loss of each branch. Value at
  risk and tails are then computed, not optimised: eta is the smallest alpha-quantile of the losses. Otherwise CVaR without a plan,
  the caps on shortfall and the avoided loss would depend on the vertex at which a solver stops (21 of 40 plans were misstated, by
  up to 441 %). In decomposition, the master problem is settled first with the quantities fixed that clusters depend on, then each
  cluster by itself.
- **Sequential objectives are stated as differences to the same figure of the reference plan, at the plan as it is**: what a later
  objective gives up of an earlier one within the slack is included. Totals are also shown, and penalties separately. The slack is
  at least 1e-9 of the terms of an objective, which is the size of rounding errors.
- **Infeasibility is double-checked.** Doing nothing satisfies all constraints except the requirements by construction. A solver
  that finds no point with all requirements relaxed, violates none of them at the optimum of that relaxation, or calls doing
  nothing infeasible contradicts itself and is not trusted.
- **Costs that are owed already do not make a plan infeasible**: holding the opening stock costs money that no decision can avoid.
  The budget pays it; if a year's appropriation is smaller, that year's limit is the cost owed, and the plan says so.
- **The right to buy under a purchase floor lasts as long as the floor**, not as long as the project.
- **A package with its own floor on a material is excluded by a market floor on that material** for which the project is eligible:
  otherwise its output would be topped up twice. A market floor for which the project is not eligible (home producers only, for
  example) does not exclude it.
- **`revolving` recycles disposals, never proceeds of releases**; the final stock is valued at the lower of the prices on the
  baseline course and in the scenario, also with `price_gain = false`.
- **Shortfall against a promise is counted in full periods from the onset to the end of the event**, as the service level is
  (`scenarios.promises.short_of_promise`): in the model, in other scenarios and in reverse stress tests.
- **A segment without rows in `adaptation` keeps one loss for all periods**, the base price plus the named loss. With rows, v is
  max(P0, P)(1 + largest premium) plus the mean multiplier times the named loss: without the price beneath it, a fading loss would
  make going short a saving at a crisis price. P0 stands in for both prices with `price_gain = false` and in risk measures. The
  multiplier counts from the beginning of the latest cut in force, not of a flood before it, and its mean is over the part of a
  period under a cut: a cut of three months in a year would else be adapted to before it began. Where no cut is in force it is 1.
- **With `loss.spikes` the last tier takes what the others leave** (a tier before the last holds its share times the share of the
  period under a cut, where there is one). Otherwise a segment could not go short of all that it wants, and a plant shut all year
  by a flood before a short cut would leave no way to live through the scenario.
- **The block holds what is missing from users' own stock**, L less the level, so that a full stock is zero and costs nothing: on
  the baseline course all its columns are 0. L does not change over time: months are of the mean use of the planned years. Plants
  may hold an input that no segment wants; `plant_pull` follows from the balance and the limit on surplus there and is kept as a
  rule of its own. A tonne missing at the end of a period costs the undisturbed price times interest and convenience; with a premium
  so high that interest on it exceeds convenience, refilling pays in no hurry.
- **Money is scaled in the solver** if a plan's money is far from a thousand million USD a year, as each material is scaled by a
  power of ten tonnes: the solver's tolerances are absolute. Without scaling it called plans infeasible at prices times 2e5.
- **A market is split in two at most**: inside and outside the countries that control a material. P is the lower price, that inside
  them. Outside it is (1 - share) P + share max(P, quote min(1, P/P0)) under a control in force, whose share of the period and
  latest quote are data, and at least P times the gap of the events. An event multiplies the price of each material with rows in
  `hazard_prices` by the mean over the period of min(multiple(a/z)**x, highest), market by market; outside is at no moment below
  inside; `highest` is the highest multiple quoted of that material in such an event, ends of ranges included, for x was fitted to
  cuts, which end at 1. Several events combine market by market: the largest rise times the deepest fall. Outlays, users' costs,
  owners' revenue, survival and floors see the price of the seller's market; salvage, sales and surplus the lower one. Losses per
  tonne lie beyond the dearer market.
- **A war spares what comes by land**: with the scope `overseas` third countries lose their share c of supply, rho = 1 - c, unless
  they are land neighbours of the home country (`countries.land_neighbours`).
- **Ore that runs out** (`ore_runs_out`): a source that mines has capacity 0 from the date y + 1 + R/Q on, with R the reserves of
  its country at the end of year y and Q the latest mine output; in the period of that date the share before it. Of several minerals
  that it makes the one that ends first counts. Smelters, refineries, recyclers and projects are not touched.
- **An event that has begun before the plan** (`[[ongoing]]`) makes the baseline course short: release, users' own stocks, rationing
  and adaptation apply there, and it goes on without end. Each scenario draws its end from the law of its hazard given how long it
  has lasted; that end is the onset of the branch. Its cut is what the profile says at the stated stretch, and its last cut holds
  until the end; a severity or stretch that turns out otherwise is not modelled. Ends count from the second period on, in whole
  months. Owners' values, and what is owed for floors of before, are reckoned on the undisturbed course.
- **What was signed before the plan** (`commitments`, `payments_due`) is paid first: instalments, fees, and the expected payments of
  its floors on the undisturbed course are taken off the appropriation, and the floors' share of the liability off the cap, both no
  lower than 0; what exceeds them is told as already owed. It stands in both the plan and doing nothing, and costs neither anything
  in the objective. A plant that was supported is an activity of the tables, with its capacity by year, and part of a source under
  an offtake contract is one with kappa = 1 for the term.
- **Members who pay for holding** (`members_pay_holding`): h D x stock leaves the outlays, the limits on money and what is owed
  already; it stays in the social cost, whoever pays it.
- **Floors agreed before the plan** (MP Materials, 110 USD/kg) keep a source in operation and cost this plan nothing.
- **Sampled plans keep a probability for the scenario without any event** (`quiet_probability`); otherwise the later baseline
  course would have no weight and its plan no meaning.
- **Owners look at the baseline course unless the plan says otherwise** (`[owners]`). Both habits lean against floors: a flood that
  would shut the plant does not enter its owner's value, and the risk that a floor takes away earns nothing. With `expectation =
  "scenarios"` an owner's value is an expectation over one fixed pricing sample, closures included, at the prices that users pay
  (no dearer than the baseline course with `price_gain = false`, or crisis rents would finance projects); fees count as they are
  paid. Whether a project is built without support is still judged once, on the baseline course at the row's hurdle rate.
- **The hurdle rate of expected flows is made for the hazards of the table**: without support it leaves the owner's value of each
  project and signing date what it is on the baseline course. Hazards that a plan overrides, in `[[hazards]]`, then change the
  value, not the rate. Rates are looked for between 0 and the row's; the better end is taken where none of them does it.
- **Downside is compared on the output that the package keeps alive**, so that the rate falls with prices made safer and not with
  tonnes sold or given up; fees and capital support are no part of it. A rate never falls below 0.
- **Risk moved is not risk removed**: the government is charged `owners.risk_charge` for each USD of downside that it takes over,
  once, at signing, as a part of social cost (`risk_transfer`) outside the budget.
- **Where there is a pricing sample, it also decides which floors would earn money**, so that what may be signed is the same
  whatever the plan's own sample is; what floors cost in the objective follows the plan's scenarios.
- **Price states never shut a plant**, so floors look slightly more expensive than they are."""

INPUTS_HEAD = """# The tables

*Written from the row schemas by `python -m strategic_minerals.report.reference_pages`; do not edit.*

One CSV file per table, in UTF-8. Every row has `source`, `year` (to which the figure refers), `confidence` (`reported`:
published by the source; `derived`: computed from reported figures, with the calculation in the note; `estimate`: assumed) and
`note`. An estimate has columns `_low` and `_high` and comes from a documented function of `strategic_minerals.data.estimates`,
named in the note, or of `home_estimates`; a test recomputes each one. An empty cell means not published. `NA` is text
(Namibia), never a missing value.

Tonnes are tonnes of contained material in the form stated in `materials.basis`; prices are in USD/kg of the same form. Rows of
`prices`, `activities`, `projects`, `packages`, `substitution` and `loss_functions` state the price level (year) of their money;
a plan converts them to its own `price_year` with the consumer price index in `deflators`. Price set `mcs2024` contains the
averages of 2024, the last full year that USGS reports; `mcs2025e` its estimates for 2025; `quotes2026` newer quotes if
available.

The files of this folder hold what is the same for all homes. What belongs to one is in `homes/<HOME>/`, with the same columns
and keys, and is laid over it: a row with a new key is added, and of a row with a known key the filled cells win, provenance
included. A plan's `home` chooses the folder (`USA` if it names none); a home without a folder is refused. A home has the
sources of which its `capacities` say how much it can buy, and the projects that its `projects` name; the others are none of its
own. A union is a home of members (`homes`): for `EUU` a plant in France is at home. A folder of tables without `homes/`, as
`init` writes it, holds those of one home alone, whose countries have the tier `home`. Homes together may not count on more of a
plant than it makes (`activities.output_t_per_yr`; a test holds the shipped ones to it).

An estimate's note states how it is made of other figures, such as `lot_t_per_yr =
offtake_lot(minerals[gallium].consumption_t)`. `check` says which estimates no longer follow from their facts, `refresh TABLES`
writes them anew, and `explain RUN "offers[gallium_1].depth_t_per_yr"` prints what a figure hangs on. Names in one cell are
separated by spaces or commas. A name that no table defines is a fault, with a suggestion of what may have been meant. Figures
are compared with each other (prices with other sets and `minerals`, capacity and demand with world output in `production` and
use in `minerals`, costs with the value of output, an estimate with the calculation in its note): `check` doubts the figure that
contradicts most of the others.

A new edition of the USGS summaries is read from a file that a person has downloaded: `refresh TABLES --from FILE` writes world
output, reserves, import shares and the statistics of the United States (`data/usgs_series.py`, `data/usgs_statistics.py` map
each series to a cell), says which figures were revised, renews the estimates and keeps the tables as they were beside. What
USGS withholds is left empty. Cells of `minerals` that do not come from the file are listed with the reason in
`usgs_statistics.ELSEWHERE`. The form of a file tells what it is:

- **USGS, 2026 and later**: one long CSV (`MCS chapter, Section, Commodity, ...`); a checksum that is not known needs
  `--edition`. It writes `production`, `reserves`, `import_shares` and `minerals`.
- **USGS, 2022 to 2025**: a folder of CSVs (`Source, Country, Type, Prod_kt_2022, ...` and `DataSource, Commodity, Year, ...`), or
  the one file of output of 2025. A part of an edition is read and the rest told; origins of imports are not in these files, and
  statistics of a later edition are not taken back.
- **World Bank Pink Sheet, saved as CSV**: first the period (`2025`, `2025M01`), then commodities by name, units beneath
  (`($/mt)`). It makes a price set `wb2025` (or `--edition NAME`): means of the last whole year, other prices as in the set with
  most materials.
- **BACI** (`t, i, j, k, v, q`, with its `country_codes*.csv` beside it) and **UN Comtrade** (`refYear, flowCode, reporterISO,
  partnerISO, cmdCode, netWgt`) write `import_shares` of every home, for forms whose codes of HS are known
  (`data/trade_flows.py`).

Series whose countries miss the printed total by more than 3 % and its rounding are told.

The tables cover the rare-earth supply chain from concentrate or mixed carbonate through separated oxides and metal to NdFeB and
SmCo magnets, joint products from one ore body, and more than thirty other minerals at the stage that is the bottleneck. Not
published are demand by individual rare earth, defence shares of most minerals, operating costs of Lynas and of magnet makers,
and holdings of the US stockpile by material; these are marked as estimates or left out."""


def api_table() -> str:
    """The public names of the package, each with the first sentence of its docstring."""
    package = import_module(PACKAGE.name)
    rows = [f"| `{name}` | {_first_sentence(getattr(package, name))} |" for name in package.__all__]
    return "\n".join(["| name | what it is |", "|---|---|", *rows])


def _first_sentence(named: Any) -> str:
    """First sentence of a docstring on one line; a vertical bar would end the cell."""
    paragraph = " ".join((inspect.getdoc(named) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0].replace("|", "\\|")


def marks(name: str) -> tuple[str, str]:
    """Marks before and after the generated part of a page."""
    return f"<!-- {name}: written from the code -->", f"<!-- {name}: end -->"


def filled(page: str, name: str, content: str) -> str:
    """A page with new content between the marks of a name. Raises ValueError unless it has each of them once."""
    begin, end = marks(name)
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"expected {begin} and {end} once each")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.partition(end)[2]}"


def package_page() -> str:
    """The package's README with the generated table of public names."""
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
