"""Names that plans of before use are read; what they were renamed to is what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from strategic_minerals import PlanError, load_dataset, load_plan, shipped
from strategic_minerals.data.addresses import edited


@pytest.mark.filterwarnings("ignore:`sample.worlds` is the former name:DeprecationWarning")
@pytest.mark.parametrize("name", ["worlds", "scenarios"])
def test_a_sample_says_its_scenarios_by_the_former_name_too(name: str, tmp_path: Path) -> None:
    """Proves: a plan that calls them `worlds`, as plans of before did, is read, changed by either name, and written by the new one;
    a figure that is none is told with its line; both names at once are a fault."""
    text = (shipped("models") / "rare-earths.toml").read_text(encoding="utf-8")
    file = tmp_path / "plan.toml"
    file.write_text(text.replace("\nscenarios = 60", f"\n{name} = 60"), encoding="utf-8")
    plan = load_plan(file)
    assert plan.sample is not None
    assert plan.sample.scenarios == 60
    for other in ("worlds", "scenarios"):
        changed = load_plan(file, {f"sample.{other}": 7})
        assert changed.sample is not None
        assert changed.sample.scenarios == 7
        assert edited(plan, load_dataset(shipped("inputs")), {f"sample.{other}": 7})[0] == changed
    assert "worlds" not in plan.to_toml_like()["sample"]
    file.write_text(text.replace("\nscenarios = 60", f"\n{name} = 0"), encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_plan(file)
    assert error.value.faults[0].row != ""
    file.write_text(text.replace("\nscenarios = 60", "\nscenarios = 60\nworlds = 60"), encoding="utf-8")
    with pytest.raises(PlanError, match="worlds"):
        load_plan(file)
