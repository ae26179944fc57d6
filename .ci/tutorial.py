"""Run the tutorial, and write what its commands print and what its pages look like into it.

    python .ci/tutorial.py           carries out models/tutorial.md step by step and writes its outputs and pictures anew
    python .ci/tutorial.py --check   ends with 1 where a command prints something else than the tutorial says

Blocks of the text are steps: `sh` is run, `text` after it is what it prints; `toml FILE` is added at the end of a file; `csv FILE
from KEY` copies the row of that key with the cells given; a picture is a screenshot of the page named above it."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "models" / "tutorial.md"
BLOCK = r"^```(?P<kind>\w+)(?P<rest>[^\n]*)\n(?P<body>.*?)^```$"
PICTURE = r"^<!-- page: (?P<page>\S+) -->\n!\[[^\]]*\]\((?P<picture>[^ )]+)\)$"
STEP = re.compile(f"{BLOCK}|{PICTURE}", re.M | re.S)
CHANGES = re.compile(r"\d+(?:\.\d+)?(?= s\b| MB\b| kB\b)|HiGHS [\d.]+")
"""What differs from machine to machine."""
WINDOW = "1100,1250"


def ran(line: str, folder: Path) -> str:
    """What a command prints, as somebody sees it who types it in the folder."""
    words = shlex.split(line)
    if words[0] != "strategic-minerals":
        return ""
    command = [sys.executable, "-m", "strategic_minerals", *words[1:]]
    package = os.pathsep.join([str(ROOT / "optimizer"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": package, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    text = f"{done.stdout}{done.stderr if done.returncode else ''}"
    return text.replace("python -m strategic_minerals", "strategic-minerals")


def added_row(file: Path, key: str, body: str) -> None:
    """A copy of a row with other cells, one `column = value` a line."""
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    row = next(row for row in rows if key in row.values())
    cells = dict(line.split(" = ", 1) for line in body.strip().splitlines())
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerows([*rows, {**row, **cells}])


def photographed(page: Path, picture: Path) -> None:
    """A screenshot of a page."""
    browser = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=8000",
    ]
    subprocess.run(
        [*browser, f"--window-size={WINDOW}", f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True
    )


def part(printed: str, asked: str) -> str:
    """Of what was printed the first lines, their number being asked for, or all from a heading on; what is left out as dots."""
    lines = printed.strip().splitlines()
    if asked and not asked.isdigit():
        return "\n".join(["...", *lines[lines.index(asked) : -4]])
    most = int(asked or len(lines))
    return "\n".join([*lines[:most], *(["..."] if len(lines) > most else [])])


def carried_out(text: str, folder: Path, *, pictures: bool) -> str:
    """The tutorial with what its steps give."""
    parts: list[str] = []
    end, printed = 0, ""
    for step in STEP.finditer(text):
        parts.append(text[end : step.start()])
        end, whole = step.end(), step[0]
        if step["picture"]:
            if pictures:
                photographed(folder / step["page"], (TEXT.parent / step["picture"]).resolve())
        elif step["kind"] == "sh":
            printed = "".join(ran(line, folder) for line in step["body"].strip().splitlines())
        elif step["kind"] == "text":
            whole = f"```text{step['rest']}\n{part(printed, step['rest'].strip())}\n```"
        elif step["kind"] == "toml":
            with (folder / step["rest"].strip()).open("a", encoding="utf-8") as stream:
                stream.write(f"\n{step['body']}")
        elif step["kind"] == "csv":
            file, _, key = step["rest"].split()
            added_row(folder / file, key, step["body"])
        parts.append(whole)
    return "".join([*parts, text[end:]])


def main() -> int:
    """Carry the tutorial out; with --check compare, else write."""
    old, check = TEXT.read_text(encoding="utf-8"), "--check" in sys.argv
    with tempfile.TemporaryDirectory() as place:
        new = carried_out(old, Path(place), pictures=not check)
    if not check:
        TEXT.write_text(new, encoding="utf-8")
        return 0
    if CHANGES.sub("", new) == CHANGES.sub("", old):
        return 0
    there, here = (CHANGES.sub("", text).splitlines() for text in (old, new))
    differ = [f"- {a}\n+ {b}" for a, b in zip(there, here, strict=False) if a != b]
    sys.stdout.write("\n".join(["models/tutorial.md says something else than its commands print:", *differ[:20], ""]))
    return 1


if __name__ == "__main__":
    sys.exit(main())
