"""Make `page/outlines.json`, the outlines of countries that the report's maps draw, out of Natural Earth.

    python .ci/outlines.py FOLDER/naturalearth_lowres.shp

Natural Earth, Admin 0 countries, 1:110m (public domain, naturalearthdata.com), as the wheel geopandas 0.14.4 carries it in
`geopandas/datasets/naturalearth_lowres`. Needs pyshp, which nothing else needs.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "optimizer" / "strategic_minerals" / "page" / "outlines.json"
GRID = 4
"""Places of the grid in a degree: finer than a pixel of the map."""
LEFT_OUT = ("ATA",)
"""Antarctica, which mines nothing and takes a fifth of the map."""


def ring(points: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """A ring on the grid, without points that fall on the one before."""
    placed = [(round(x * GRID), round(-y * GRID)) for x, y in points]
    return [point for n, point in enumerate(placed[:-1]) if n == 0 or point != placed[n - 1]]


def area_and_middle(points: list[tuple[int, int]]) -> tuple[float, int, int]:
    """Area of a ring and its centre."""
    crossed = [(a, b, a[0] * b[1] - b[0] * a[1]) for a, b in zip(points, [*points[1:], points[0]], strict=True)]
    twice = sum(part for *_, part in crossed) or 1
    x, y = (sum((a[axis] + b[axis]) * part for a, b, part in crossed) / (3 * twice) for axis in (0, 1))
    return abs(twice) / 2, round(x), round(y)


def path(points: list[tuple[int, int]]) -> str:
    """A ring as a path of SVG, in steps."""
    steps = [f"{b[0] - a[0]},{b[1] - a[1]}" for a, b in pairwise(points)]
    return f"M{points[0][0]},{points[0][1]}l{' '.join(steps)}z"


def main() -> None:
    """Write the file."""
    import shapefile  # type: ignore[import-not-found]  # pyshp

    found: dict[str, list[list[tuple[int, int]]]] = {}
    for one in shapefile.Reader(sys.argv[1]).iterShapeRecords():
        code = one.record.iso_a3 if one.record.iso_a3.isalpha() else "KOS"  # Natural Earth gives Kosovo none
        starts = [*one.shape.parts, len(one.shape.points)]
        rings = [ring(one.shape.points[a:b]) for a, b in pairwise(starts)]
        if code not in LEFT_OUT:
            found.setdefault(code, []).extend(points for points in rings if len(points) > 2)
    countries = {
        code: {"middle": max(map(area_and_middle, rings))[1:], "path": "".join(map(path, rings))}
        for code, rings in sorted(found.items())
    }
    said = {
        "source": "Natural Earth, Admin 0 countries, 1:110m, naturalearthdata.com",
        "licence": "public domain",
        "made_by": ".ci/outlines.py; borders as Natural Earth draws them",
        "units": f"x: degrees east of Greenwich, y: degrees south of the equator, both times {GRID}",
    }
    lines = [f'"{code}": {json.dumps(country)}' for code, country in countries.items()]
    text = f'{json.dumps(said, indent=1)[:-2]},\n "countries": {{\n' + ",\n".join(lines) + "\n}}\n"
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
