"""What a reader sees: figures that equal the tables, stories, the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from test_report import full, quickstart

from strategic_minerals import (
    InputError,
    Result,
    solve,
)
from strategic_minerals.page.charts import figures
from strategic_minerals.page.compare import chain, drawdown, mix, money, timeline
from strategic_minerals.page.words import (
    MOST_STORIES,
    RULES,
    acts,
    chosen,
    does_nothing,
    headline,
    remaining,
    stories,
    story_titles,
)
from support.drawn_cases import deciding
from support.one_mineral import one_mineral


@cache
def drawn() -> Result:
    """A plan with scenarios that were drawn, tested by samples."""
    return solve(*deciding(), samples=2, scenarios=20)


@cache
def one(amount: float = 110.0) -> Result:
    return solve(*one_mineral(amount), gap=0.0, quick=True)


def within(spec: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a chart's specification."""
    if isinstance(spec, dict):
        yield spec
        for value in spec.values():
            yield from within(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from within(value)


@pytest.mark.long
def test_a_plan_in_which_nothing_is_best_says_so() -> None:
    """Proves: no list of acts, no avoided losses of 0 M; the verdict is that doing nothing is best."""
    idle = quickstart(0.0)
    assert does_nothing(idle)
    assert not does_nothing(quickstart())
    assert headline(idle)[0].startswith("Doing nothing is best")
    assert not any("avoids 0" in line for line in headline(idle))
    assert acts(idle)[1] == []
    assert "with the plan or without it" in stories(idle)[0].losses()


@pytest.mark.parametrize("made", [quickstart, drawn])
def test_at_most_five_scenarios_are_told_and_each_for_a_reason(made: Any) -> None:
    """Proves: the worst is among them; each is what its reason says; none is without a loss; the figure shows the same ones."""
    result = made()
    table = result.tables["scenario_losses"].set_index("scenario")
    told = chosen(result)
    assert 0 < len(told) <= MOST_STORIES
    assert table["loss_without_plan_musd"].idxmax() in told
    reasons = {why: scenario for scenario, several in told.items() for why in several}
    assert set(reasons) >= {why for why, _ in RULES if why != "the plan helps most"}
    weighed = table["probability"] * table["loss_without_plan_musd"]
    assert weighed[reasons["adds most to the expected loss"]] == weighed.max()
    assert table["loss_musd"][reasons["largest loss that remains"]] == table["loss_musd"].max()
    assert (table.loc[list(told), ["loss_musd", "loss_without_plan_musd"]].max(axis=1) > 0).all()
    losses = next(figure for figure in figures(result) if figure.name == "losses")
    assert losses.table["scenario"].nunique() == len(told) + 1
    assert len(remaining(result)) == len(table)


def test_a_story_says_what_strikes_who_lacks_what_and_what_is_done() -> None:
    """Proves: the tonnes of a story are those of the tables; a listed scenario has its name in brackets; releases are told."""
    result = quickstart()
    short = result.tables["shortfalls"]
    for story in stories(result):
        assert re.search(r"from 20\d\d", story.title)
        assert story.title.endswith(f"({story.scenario})")
        text = " ".join(story.sentences)
        mine = short[(short["scenario"] == story.scenario) & (short["shortfall_t"] > 1e-6)]
        assert ("Short with the plan" in text) == bool(len(mine))
        assert "The reserve releases" in text
    lacking = short[short["scenario"] == "ban-2028"].groupby(["material", "segment"])["shortfall_t"].sum()
    told = next(story for story in stories(result) if story.scenario == "ban-2028")
    assert f"Antimony for other users ({lacking['antimony', 'other']:,.0f} t" in " ".join(told.sentences)
    assert not any(name.startswith("Sample-") for name in story_titles(drawn()).values())


def test_figures_say_what_the_tables_say() -> None:
    """Proves: shares of every bar add to one; the timeline names every action; stocks of the trunk are those of the table; money by
    line adds to the outlays; a step's use lies within its capacity."""
    result = full()
    shares = mix(result).groupby(["material", "when"])["share"].sum()
    assert shares.to_numpy() == pytest.approx([1.0] * len(shares))
    actions = set(timeline(result)["what"])
    assert {f"buy {material}" for material in result.tables["acquisitions"]["material"]} <= actions
    stock = result.tables["stock"].set_index(["material", "period"])["stock_t"]
    courses = drawdown(result)
    for row in courses[courses["scenario"] == "baseline course"].itertuples():
        assert row.stock_t == pytest.approx(stock[row.material, row.period], abs=1e-6)
    lines, owed = money(result)
    spent = lines[lines["line"] != "appropriation"].groupby("fiscal_year")["musd"].sum()
    budget = result.tables["budget"].set_index("fiscal_year")["outlay_musd"]
    assert spent.to_numpy() == pytest.approx(budget.loc[spent.index].to_numpy(), abs=1e-6)
    assert len(owed) in (0, len(budget))
    assert chain(result)["used"].between(0.0, 1.0).all()


def test_a_result_plots_the_figures_of_its_page() -> None:
    """Proves: `plot` gives the charts of the page with their titles, or one by its name; `repr` tells the worth."""
    shown, found = figures(one()), one().plot()
    assert list(found) == [figure.name for figure in shown]
    for figure in shown:
        title = found[figure.name].to_dict()["title"]
        assert (title if isinstance(title, str) else " ".join(title)) == figure.title
    assert one().plot("budget").to_dict() == found["budget"].to_dict()
    with pytest.raises(InputError, match="did you mean 'budget'"):
        one().plot("buget")
    worth = 0.0 - one().outcome.objective_musd  # type: ignore[operator]
    assert f"proven best, worth {worth:,.4g} million USD of {one().plan.price_year}" in repr(one())
