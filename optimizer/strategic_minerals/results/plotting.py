"""How results and studies come to their figures, which a room above draws."""

from __future__ import annotations

from typing import Any

from ..core.errors import Fault, InputError, near_miss


class Plotted:
    """What has figures. The room `report` draws them and stands above this one: it is reached through the public names of the
    package, as a user reaches it, and only when something is plotted."""

    def plot(self, name: str | None = None) -> Any:
        """A figure of the report as an Altair chart, or all of them by name.

        name: of a result losses, timeline, stocks, supply-mix, value-chain, budget or liability, as far as it has something to show
        there; of a study as `charts` lists them. None: every one, as a dictionary in the order of the page.

        Raises InputError for a name that is none of them, and where the extra `report`, which holds Altair, is not installed.
        """
        from .. import charts

        found = charts(self)  # type: ignore[arg-type]
        if name is None:
            return found
        if name not in found:
            known = (
                f"one of {', '.join(found)}{near_miss(name, found)}" if found else "no name: there is nothing to draw"
            )
            raise InputError([Fault("plot", "", "name", repr(name), known)])
        return found[name]
