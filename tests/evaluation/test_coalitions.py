"""Homes that plan together: what every coalition can get, and whether the gain can be divided so that nobody leaves."""

from itertools import combinations

import numpy as np
import pytest

from strategic_minerals import Dataset, PlanError, Study
from strategic_minerals.studies.coalitions import coalitions, coalitions_of, cost_of_stability, in_core
from support.allied import allied, event, home_tables, tonnes
from support.tiny import project

near = pytest.approx
THREE = ("A", "B", "C")


def game(worth: dict[str, float]) -> dict[frozenset[str], float]:
    return {frozenset(names): value for names, value in worth.items()}


def test_known_games_are_divided_as_the_books_say() -> None:
    """Proves: any two of three share 1: no division lasts, and half a unit mends it (von Neumann and Morgenstern). A has a left
    glove, B and C a right one each: the core gives all to A. What is in the core before any
    payment takes none; what is not moves to its edge, and no further."""
    majority = game({"A": 0, "B": 0, "C": 0, "AB": 1, "AC": 1, "BC": 1, "ABC": 1})
    assert in_core(THREE, majority, dict.fromkeys(THREE, 1 / 3)) is None
    assert cost_of_stability(THREE, majority) == near(0.5)
    gloves = game({"A": 0, "B": 0, "C": 0, "AB": 1, "AC": 1, "BC": 0, "ABC": 1})
    assert cost_of_stability(THREE, gloves) == 0
    worth = game({"A": 1, "B": 1, "C": 1, "AB": 3, "AC": 3, "BC": 3, "ABC": 6})
    for known, before, shares, paid in (
        (gloves, (0.2, 0.5, 0.3), (1.0, 0.0, 0.0), 0.8),
        (worth, (2.0, 2.0, 2.0), (2.0, 2.0, 2.0), 0.0),
        (worth, (0.0, 3.0, 3.0), (1.0, 2.5, 2.5), 1.0),
    ):
        found = in_core(THREE, known, dict(zip(THREE, before, strict=True)))
        assert list(found.shares.values()) == near(shares, abs=1e-6)
        assert list(found.payments.values()) == near(np.subtract(shares, before), abs=1e-6)
        assert found.paid == near(paid, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_divisions_keep_everybody_and_the_least_subsidy_is_least(seed: int) -> None:
    """Of four: a division keeps every coalition and adds up; with the least subsidy there is one, with a thousandth less none."""
    rng = np.random.default_rng(seed)
    members = ("A", "B", "C", "D")
    worth = {c: float(rng.uniform(0, 10) * len(c) ** rng.uniform(0.8, 1.6)) for c in coalitions_of(members)}
    whole = frozenset(members)
    before = dict(zip(members, rng.dirichlet(np.ones(4)) * worth[whole], strict=True))
    missing = cost_of_stability(members, worth)
    with_it = {**worth, whole: worth[whole] + missing + 1e-7}
    division = in_core(members, with_it, {home: value + (missing + 1e-7) / 4 for home, value in before.items()})
    assert sum(division.shares.values()) == near(with_it[whole])
    for size in (1, 2, 3):
        for chosen in combinations(members, size):
            assert sum(division.shares[name] for name in chosen) >= worth[frozenset(chosen)] - 1e-6
    if missing > 0:
        assert in_core(members, worth, before) is None
        assert in_core(members, {**worth, whole: worth[whole] + 0.999 * missing}, before) is None


STRUCK = {"both": (0.5, [event("ore")])}


def needed(**changes: object) -> Study:
    """Australia has half a kt in stock, which American users need more."""
    homes = {"USA": home_tables("USA", loss=100.0), "AUS": home_tables("AUS", loss=50.0, stock=0.5)}
    return coalitions(allied(STRUCK, **changes), homes, gap=0.0)


def test_who_gives_is_paid_what_it_loses_at_least() -> None:
    """On paper: together they save 0.25 * 50 = 12.5 M. Americans gain 0.25 * 110, Australians lose 0.25 * 60 = 15 M: the least
    payment that keeps them is 15 M."""
    found = needed()
    homes = found.tables["homes"].set_index("home")
    assert found.facts["core"] == "exists"
    assert homes.alone_musd.to_dict() == near({"USA": 0.0, "AUS": 0.0})
    assert homes.before_payments_musd.to_dict() == near({"USA": 27.5, "AUS": -15.0})
    assert homes.payment_musd.to_dict() == near({"USA": -15.0, "AUS": 15.0})
    table = found.tables["coalitions"].set_index("members")
    assert table.gain_musd.to_dict() == near({"USA": 0.0, "AUS": 0.0, "USA AUS": 12.5})
    assert "Australia receives 15 M" in found.summary()


def test_where_nothing_is_gained_every_figure_is_of_plans_of_their_own() -> None:
    """Proves: of twins with a stock each, plans that move it all to one are as good as those that leave it where it is."""
    twins = {home: home_tables(home, loss=100.0, stock=0.5) for home in ("USA", "AUS")}
    homes = coalitions(allied(STRUCK), twins, gap=0.0).tables["homes"]
    assert homes.loss_together_musd.tolist() == homes.loss_alone_musd.tolist() == [27.5, 27.5]


def test_nothing_shared_is_nothing_gained() -> None:
    found = needed(together={"joint_stock": "none"})
    assert found.tables["coalitions"].gain_musd.max() == near(0.0, abs=1e-9)
    assert found.facts["paid_musd"] == near(0.0, abs=1e-6)


def test_a_coalition_gets_what_outsiders_leave() -> None:
    """Three homes and one seller: what two can get together is told with the third at a plan of its own."""
    more = {"sellers": [{"seller": "spot", "from_year": 2027, "depth_t_per_yr": tonnes(1.5)}]}
    losses = {"USA": 100.0, "AUS": 60.0, "CAN": 40.0}
    homes = {home: home_tables(home, loss=loss, depth=1.0, more=more) for home, loss in losses.items()}
    found = coalitions(allied(STRUCK, tuple(losses)), homes, gap=0.0)
    assert found.facts["settled"]
    worth = found.tables["coalitions"].set_index("members").worth_musd
    assert worth["USA AUS CAN"] == near(0.5 * (100 + 0.5 * 60))
    # whatever is bought later than the first year comes too late for the disruption of the second;
    # Canada plans last and finds nothing, so two others have 1.5 kt; Australia has half a kt and leaves 1 to the others
    assert worth["CAN"] == near(0.0)
    assert worth["USA AUS"] == near(0.5 * (100 + 0.5 * 60))
    assert worth["USA CAN"] == near(0.5 * 100)
    assert worth["AUS CAN"] == near(0.5 * 0.5 * 60)


def plant(home: str, committed: bool, loss: float) -> Dataset:
    made = project("ore", 1.0, country="CAN", capex_musd=20.0, cash_usd_per_kg=10.0, committed=committed)
    packages = [{"package": "grant", "instrument": "grant", "offtake_share": 1.0}]
    return home_tables(home, loss=loss, projects={"plant": made}, more={"packages": packages})


def test_a_bystander_bears_nothing_of_a_plant_that_it_does_not_name() -> None:
    homes = {"USA": plant("USA", False, 100.0), "AUS": plant("AUS", False, 50.0), "CAN": home_tables("CAN")}
    found = coalitions(allied(STRUCK, tuple(homes), residual=0.0), homes, gap=0.0)
    bystander = found.tables["homes"].set_index("home").loc["CAN"]
    assert (bystander.before_payments_musd, bystander.payment_musd) == near((0.0, 0.0), abs=1e-6)


@pytest.mark.parametrize("homes", [("USA", "AUS"), ("AUS", "USA")])
def test_a_plant_that_stands_anyway_is_shared_whoever_is_listed_first(homes: tuple[str, str]) -> None:
    """One plant of 1 kt that both have counted on already. Who is listed first has it; together it goes to whom it spares more."""
    losses = {"USA": 50.0, "AUS": 100.0}
    found = coalitions(allied(STRUCK, homes), {home: plant(home, True, losses[home]) for home in homes}, gap=0.0)
    # each counts on the whole plant while nobody else does: the joint loss is measured against that
    worth = found.tables["coalitions"].set_index("members").worth_musd
    assert worth[" ".join(homes)] >= worth[homes[0]] + worth[homes[1]] - 1e-6
    assert worth[" ".join(homes)] == near(-0.5 * 50.0)


def test_what_cannot_be_planned_together_is_refused() -> None:
    homes = {home: home_tables(home) for home in ("USA", "AUS")}
    for why, plan in (
        ("it binds the losses of all homes", allied(STRUCK, risk={"cvar_weight": 1.0})),
        ("it binds the losses of all homes", allied(STRUCK, risk={"expected_loss_limit_musd": 5.0})),
        ("found nothing that AUS want, make or sell", allied(STRUCK, materials=["USA.ore"])),
        ("1 members; expected 2 to 6 homes", allied(STRUCK, ("USA",))),
    ):
        with pytest.raises(PlanError, match=why):
            coalitions(plan, homes)
