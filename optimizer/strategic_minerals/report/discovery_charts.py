"""Figures of scenario discovery: rows over the inputs that a box limits most, and the path of its search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from .colours import GREY, PALETTE
from .figure import WIDTH, Figure, altair

TABLES = ("boxes", "limits", "trajectory", "cases")
"""Tables of the study that the figures draw."""
MOST_POINTS = 3_000
"""Rows that a picture shows; of more, every second, third, and so on."""
FAILS, KEPT = "fails", "kept"
SEARCHED, HELD_OUT = "searched", "held out"


def discovery_figures(tables: Mapping[str, pd.DataFrame]) -> Iterator[Figure]:
    """A picture of each box that rows held out confirm, and the path of the search for the first one, found or not.

    tables: of a `Discovery` by name, or as they were stored.
    """
    boxes = tables["boxes"]
    for _, box in boxes[boxes["confirmed"].astype(bool)].iterrows():
        limits = tables["limits"][tables["limits"]["box"] == box["box"]]
        yield _box_figure(box, limits, tables["cases"])
    path = tables["trajectory"]
    path = path[path["box"] == 1]
    if len(path) > 1:
        yield _path_figure(path)


def _box_figure(box: pd.Series, limits: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """The rows over the two inputs whose limits say most, with the box; over one and what is promised where there are no two."""
    alt = altair()
    numeric = limits[limits["limit"].notna()].drop_duplicates("input")
    across = (numeric if len(numeric) else limits.drop_duplicates("input")).iloc[0]
    up = numeric.iloc[1] if len(numeric) > 1 else None
    kind, upward = "Q" if len(numeric) else "N", str(box["promised"]) if up is None else str(up["called"])
    shown = rows.iloc[:: max(1, -(-len(rows) // MOST_POINTS))]
    table = pd.DataFrame(
        {
            "across": shown[across["input"]],
            "up": shown["value"] if up is None else shown[up["input"]],
            "promise": np.where(shown["failed"].astype(bool), FAILS, KEPT),
            "part": np.where(shown["held_out"].astype(bool), HELD_OUT, SEARCHED),
        }
    ).dropna(ignore_index=True)
    scale = alt.Scale(zero=False, nice=False, padding=8)
    points = (
        alt.Chart(table)
        .mark_point(size=34, opacity=0.75)
        .encode(
            x=alt.X(
                f"across:{kind}",
                title=across["called"],
                scale=scale if kind == "Q" else alt.Undefined,
                axis=_axis(across["called"]),
            ),
            y=alt.Y("up:Q", title=upward, scale=scale, axis=_axis(upward)),
            color=alt.Color(
                "promise:N",
                title=None,
                sort=[FAILS, KEPT],
                scale=alt.Scale(domain=[FAILS, KEPT], range=[PALETTE[1], GREY]),
                legend=alt.Legend(orient="top"),
            ),
            shape=alt.Shape(
                "part:N",
                title=None,
                scale=alt.Scale(domain=[SEARCHED, HELD_OUT], range=["circle", "cross"]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip(f"across:{kind}", title=across["called"]),
                alt.Tooltip("up:Q", title=upward),
                "promise",
                "part",
            ],
        )
    )
    layers = [points]
    if kind == "Q" and len(table):
        x, x2 = _ends(limits, str(across["input"]), table["across"])
        y, y2 = (table["up"].min(), table["up"].max()) if up is None else _ends(limits, str(up["input"]), table["up"])
        frame = pd.DataFrame([{"across": x, "across2": x2, "up": y, "up2": y2}])
        drawn = alt.Chart(frame).mark_rect(fill=PALETTE[0], fillOpacity=0.08, stroke=PALETTE[0], strokeWidth=2)
        layers.append(drawn.encode(x="across:Q", x2="across2:Q", y="up:Q", y2="up2:Q"))
    tested = box["held_out_rows"] > 0
    told = "held_out_" if tested else ""
    where = "Among the rows held out" if tested else "Among the rows searched"
    more = len(limits.drop_duplicates("input")) - 1 - (up is not None)
    hidden = f" {more} more limited input{'s' * (more > 1)} not drawn." if more > 0 else ""
    hidden += " Rows without such a disruption have no place in it." if len(table) < len(shown) else ""
    return Figure(
        f"where-it-fails-{box['box']}",
        f"Where it fails, {box['box']}" if box["box"] > 1 else "Where it fails",
        f"Where it fails: {box['fails_when']}",
        f"Each point is a row of the study; the frame is the box.{hidden}",
        f"The promise that {box['promised']} fails when {box['fails_when']}. {where} this explains {box[f'{told}coverage']:.0%} of "
        f"the failures, and {box[f'{told}density']:.0%} of what lies in it fails.",
        alt.layer(*layers).properties(width=WIDTH - 240, height=360),
        table,
    )


def _axis(title: str) -> Any:
    """Years without commas."""
    alt = altair()
    return alt.Axis(format=".1f") if title.endswith("[fiscal year]") else alt.Undefined


def _ends(limits: pd.DataFrame, name: str, values: pd.Series) -> tuple[float, float]:
    """Where a box begins and ends: at its limits, or at the last row."""
    mine = limits[limits["input"] == name].set_index("side")["limit"]
    return float(mine.get("over", values.min())), float(mine.get("under", values.max()))


def _path_figure(path: pd.DataFrame) -> Figure:
    """Coverage against density of the boxes of peeling, on rows searched and on those held out."""
    alt = altair()
    parts = {SEARCHED: ("coverage", "density"), HELD_OUT: ("held_out_coverage", "held_out_density")}
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "step": path["step"],
                    "rows": part,
                    "coverage": path[coverage],
                    "density": path[density],
                    "limits": path["limits"],
                    "chosen": np.where(path["chosen"].astype(bool), "chosen", ""),
                }
            )
            for part, (coverage, density) in parts.items()
        ],
        ignore_index=True,
    ).dropna(ignore_index=True)
    base = alt.Chart(table).encode(
        x=alt.X(
            "coverage:Q",
            title="coverage: share of the failures in the box",
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y=alt.Y(
            "density:Q",
            title="density: share of the box that fails",
            axis=alt.Axis(format="%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        color=alt.Color(
            "rows:N",
            title=None,
            sort=[SEARCHED, HELD_OUT],
            scale=alt.Scale(domain=[SEARCHED, HELD_OUT], range=PALETTE[:2]),
            legend=alt.Legend(orient="top"),
        ),
        order="step:Q",
        tooltip=[
            "step",
            "rows",
            alt.Tooltip("coverage:Q", format=".0%"),
            alt.Tooltip("density:Q", format=".0%"),
            "limits",
        ],
    )
    marked = base.transform_filter("datum.chosen == 'chosen'").mark_point(size=160, strokeWidth=3)
    first, chosen = path.iloc[0], path[path["chosen"].astype(bool)].iloc[0]
    return Figure(
        "path-of-the-search",
        "Search",
        "Path of the search",
        "From all rows (right) to the smallest box (left). The circle marks the box that was taken, before its ends were moved and "
        "limits that luck may explain were dropped.",
        f"Of all rows searched {first['density']:.0%} fail. The box that was taken holds {chosen['coverage']:.0%} of the failures, "
        f"and {chosen['density']:.0%} of it fails.",
        alt.layer(base.mark_line(point=True), marked).properties(width=WIDTH - 240, height=320),
        table,
    )
