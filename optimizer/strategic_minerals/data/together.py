"""One question of several homes: their tables side by side, each home's rows under its own name.

What is common stands once: hazards strike everybody on the same day, a plant that several homes name is built once, and offers of
one name share what their seller has (`sellers`). Whatever belongs to one home is called after it, `JPN.gallium`, and nothing flows
between homes but what their plan moves: stock of pooled materials, and the output of plants that they build together. So doing
nothing costs as much together as apart, but for such plants. The answer is an ordinary plan with ordinary tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.errors import Fault, PlanError
from ..schemas.plan import Plan
from .dataset import Dataset
from .together_homes import Taken, Union
from .together_plan import plan_of
from .together_tables import tables_of


def joint_question(
    plan: Plan, tables: Mapping[str, Dataset], coalition: Sequence[str] | None = None, taken: Taken | None = None
) -> tuple[Plan, Dataset]:
    """The question of some of the homes of a plan, as an ordinary plan with ordinary tables.

    plan: has a section `together`; its materials and projects are called as in the tables of each home, or after one home.
    tables: by home, of every member. coalition: members that plan together, in any order; None: all. taken: what the others have
    bought and built already; None: nothing.

    Raises PlanError for a plan without that section and for homes that are no members, InputError for a hazard on which the homes
    disagree.
    """
    if plan.together is None:
        raise PlanError([Fault("plan", "", "together", "nothing", "a section [together] with the homes of the plan")])
    homes = [member.home for member in plan.together.members]
    if strangers := sorted({*(coalition or ())} - {*homes}):
        raise PlanError([Fault("plan", "", "together", ", ".join(strangers), f"members: {', '.join(homes)}")])
    chosen = homes if coalition is None else [home for home in homes if home in coalition]
    union = Union(plan, plan.together, tables, chosen, taken or Taken())
    rows = {name: tuple(rows) for name, rows in sorted(tables_of(union).items()) if rows}
    return plan_of(union), Dataset(rows, "together")
