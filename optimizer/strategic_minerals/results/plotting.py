"""How results and studies come to their figures, which a room above draws."""

from __future__ import annotations

from typing import Any


class Plotted:
    """What has figures. The room `report` draws them and stands above this one: it is reached through the public names of the
    package, as a user reaches it, and only when something is plotted."""

    def plot(self, name: str | None = None) -> Any:
        """A figure of the report as an Altair chart, or all of them by name.

        name: of a result losses, timeline, stocks, supply-mix, value-chain, budget or liability, as far as it has something to show
        there; of a study as `charts` lists them. None: every one, as a dictionary in the order of the page.

        Raises InputError for a name that is none of them, and where the extra `report`, which holds Altair, is not installed.
        """
        from .. import chart, charts

        return charts(self) if name is None else chart(self, name)  # type: ignore[arg-type]
