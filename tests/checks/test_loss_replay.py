"""Loss functions on observed shortages: what they would have said, beside what is known to have stopped."""

from functools import cache

import pytest

from strategic_minerals import Dataset, Study, load_plan, loss_replay, shipped
from strategic_minerals.question.read_csv import shipped_tables
from strategic_minerals.question.sources import episodes, replays


@cache
def study() -> Study:
    return loss_replay(load_plan(shipped("models") / "quickstart.toml"), shipped_tables())


def verdicts(data: Dataset, material: str = "ndfeb_magnet") -> dict[str, str]:
    return {r.function: r.verdict for r in replays(data) if r.episode.material == material}


def test_functions_are_held_against_shortages_of_their_own_length() -> None:
    """Proves: losses that are stated for a year or more, or for no length, are not held against three months of 2025, which users
    lived through on what they held; bans that took no tonne tell nothing of losses. What is not tested neither passes nor fails."""
    found = verdicts(shipped_tables())
    assert set(found.values()) == {"not comparable"}
    for material, verdict in (("gallium", "nothing was missing"), ("germanium", "not testable")):
        assert set(verdicts(shipped_tables(), material).values()) == {verdict}
    functions = study().tables["functions"].set_index("loss_function")
    assert set(functions.passes) == {""}
    assert set(functions.verdict) == {"not comparable"}
    assert functions.reason.str.contains("months were seen").all()


def test_losses_are_tonnes_times_loss_per_tonne() -> None:
    """Proves: the figures are the tonnes of the table times the losses per tonne of the table, at both ends of both."""
    rows = {
        r.loss_function: r
        for r in shipped_tables().rows("loss_functions")
        if (r.material, r.segment) == ("ndfeb_magnet", "*")
    }
    found = study().tables["episodes"].set_index(["loss_function", "material"])
    usgs, imf = found.loc["usgs_2025", "ndfeb_magnet"], found.loc["imf_2026", "ndfeb_magnet"]
    assert usgs.loss_musd == pytest.approx(1513 * rows["usgs_2025"].loss_usd_per_t / 1e6)
    assert usgs.loss_musd_low == pytest.approx(1200 * rows["usgs_2025"].loss_usd_per_t_low / 1e6)
    assert usgs.loss_musd_high == pytest.approx(1513 * rows["usgs_2025"].loss_usd_per_t_high / 1e6)
    assert imf.loss_musd == pytest.approx(1513 * rows["imf_2026"].loss_usd_per_t / 1e6)


def test_the_comparison_is_in_weeks_of_plants() -> None:
    """Proves: 30,000 million USD are a thousandth of a year's output of 30 trillion: .052 weeks of the work of 159.5 million
    persons, or 1,803 weeks of a plant with 4,600; reasons state tonnes, money, plants and weeks."""
    magnets = next(e for e in episodes(shipped_tables()) if e.material == "ndfeb_magnet")
    assert magnets.weeks(30_000.0) == pytest.approx(0.001 * 52 * 159.5e6 / 4600)
    assert magnets.most_weeks == 53.0
    reason = next(r for r in replays(shipped_tables(), ["ecb_2026"]) if r.episode.material == "ndfeb_magnet").reason()
    assert "1,513 t short would have cost 16,300 million USD (4,670 to 40,800)" in reason
    assert "978 weeks of a plant with 4,600 workers" in reason


def changed(**figures: float) -> Dataset:
    """The tables with other figures of the magnet episode, by role."""
    frame = shipped_tables().frame("loss_replay")
    for role, value in figures.items():
        mine = (frame.role == role) & (frame.country.isin(["USA", "EU"])) & (frame.control_event == "E14")
        assert mine.any(), role
        frame.loc[mine, ["low", "central", "high"]] = value
    return shipped_tables().replace(loss_replay=frame)


def of_three_months(data: Dataset) -> Dataset:
    """The tables with every loss stated for the length of the episode."""
    return data.replace(loss_functions=data.frame("loss_functions").assign(horizon_months=3.0))


@pytest.mark.long
def test_verdicts_follow_the_evidence() -> None:
    """Proves: of functions for three months IMF and ECB are far too high and USGS is plausible; more stops seen and fewer tonnes
    missing speak for a function, fewer stops and more tonnes against it; without knowing what stopped nothing is said."""
    found = verdicts(of_three_months(shipped_tables()))
    assert found["usgs_2025"] == "plausible"
    assert found["imf_2026"] == found["ecb_2026"] == "far too high"
    assert verdicts(of_three_months(changed(stopped=2000.0)))["imf_2026"] == "plausible"
    assert verdicts(of_three_months(changed(undelivered=1.0)))["imf_2026"] == "plausible"
    assert verdicts(of_three_months(changed(stopped=0.1)))["usgs_2025"] == "far too high"
    assert verdicts(of_three_months(changed(undelivered=5000.0)))["usgs_2025"] == "too high"
    assert set(verdicts(of_three_months(changed(stopped=0.0))).values()) == {"not testable"}
    assert set(verdicts(of_three_months(changed(undelivered=0.0))).values()) == {"nothing was missing"}
