"""The figure of sensitivity indices: what each figure adds to the spread of the answer, with its interval."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from .colours import PALETTE
from .figure import WIDTH, Figure, altair
from .study_charts import MOST_BARS, address_in_words
from .subject import Subject

SOBOL = {"total": "with all that it does together with others", "first": "alone"}
"""Column of indices by Sobol -> what it counts."""


def indices_figure(indices: pd.DataFrame, about: Subject) -> Iterator[Figure]:
    """Indices by Sobol (shares of the variance) or by Morris (mean absolute effects), the largest first, with 95 % intervals."""
    if "total" in indices.columns:
        shown, title = SOBOL, "share of the variance of the plan's worth"
    elif "mu_star" in indices.columns:
        shown, title = {"mu_star": "mean absolute effect"}, f"mean absolute effect on the plan's worth [{about.money}]"
    else:
        return
    table = indices[indices[next(iter(shown))].notna()].head(MOST_BARS)
    if table.empty:
        return
    alt = altair()
    table = table.assign(address=[address_in_words(str(address), about) for address in table["address"]])
    table = table.rename(columns={"address": "figure"})
    long = pd.concat(
        [
            pd.DataFrame(
                {
                    "figure": table["figure"],
                    "counts": words,
                    "value": table[name],
                    "low": table[name] - table[f"{name}_conf"],
                    "high": table[name] + table[f"{name}_conf"],
                }
            )
            for name, words in shown.items()
        ],
        ignore_index=True,
    )
    order = list(shown.values())
    rows = alt.Y("figure:N", sort=list(table["figure"]), title=None, axis=alt.Axis(labelLimit=320))
    apart = alt.YOffset("counts:N", sort=order)
    base = alt.Chart(long)
    bars = base.mark_bar().encode(
        y=rows,
        yOffset=apart,
        x=alt.X("value:Q", title=title),
        color=alt.Color(
            "counts:N",
            title=None,
            sort=order,
            scale=alt.Scale(domain=order, range=PALETTE),
            legend=alt.Legend(orient="top", labelLimit=320) if len(order) > 1 else None,
        ),
        tooltip=["figure", "counts", *(alt.Tooltip(f"{name}:Q", format=".3g") for name in ("value", "low", "high"))],
    )
    intervals = base.mark_rule(strokeWidth=1.5).encode(y=rows, yOffset=apart, x="low:Q", x2="high:Q")
    first = table.iloc[0]
    name = next(iter(shown))
    yield Figure(
        "indices",
        "What moves it",
        "What the answer hangs on",
        "Longer bars matter more. Lines are 95 % intervals: bars whose lines reach over each other are not ranked.",
        f"The answer hangs most on {first['figure']}: {first[name]:.3g} (± {first[f'{name}_conf']:.2g}) of the {title}."
        if name == "total"
        else f"The answer hangs most on {first['figure']}: {first[name]:,.3g} (± {first[f'{name}_conf']:,.2g}), {title}.",
        alt.layer(bars, intervals).properties(
            width=WIDTH - 240, height=(18 + 14 * len(order)) * len(table), usermeta={"rows": len(table)}
        ),
        table,
    )
