"""What documents say that plans come to, beside the answers themselves.

    python .ci/figures.py                 ends with 1 where a document has another figure than the stored answer
    python .ci/figures.py --solve [NAME]  solves again, stores what the commands print in .ci/answers, and then compares

An answer is what a command prints. A sentence of a document and a place of an answer are patterns with the same groups. What a
search by the clock found (the plan of `regret`) differs from run to run: documents state its range, and nothing compares it.
"""

import argparse
import csv
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / ".ci" / "answers"
CHANNEL = ("rare-earths", "critical-minerals", "vault")
COMMANDS = {
    "rare-earths": "solve rare-earths",
    "regret": "regret rare-earths",
    "allies": "together allies",
    "requirements": "requirements stockpile-requirements-2013",
    "diagnose": "diagnose defence-base-case --set budget.appropriation_musd=1",
    "vault": "solve vault --quick",
    "vault-study": "sweep vault models/studies/vault.toml",
    **{f"channel-{name}": f"solve {name} --quick --set price_channel=true" for name in CHANNEL},
}
INFEASIBLE = 3
"""Exit code of a diagnosis: what was asked cannot be done."""
N = r"(-?[\d,.]*\d)"
SAID: list[tuple[str, str, str, tuple[str, ...]]] = [
    (
        "README.md",
        f"It is worth {N} million USD \\({N} to {N} by sampling",
        "rare-earths",
        (f"the gain is {N} M by", f"foresee \\({N} to {N} M by"),
    ),
    ("README.md", f"other losses and odds give {N} to {N}\\.", "rare-earths", (f"; {N} to {N} M by those of others",)),
    (
        "README.md",
        f"spends on average {N} of the {N} million",
        "rare-earths",
        (f"cost about {N} million .*? of {N} M given",),
    ),
    ("README.md", f"could be worth more than {N};", "rare-earths", (f"on these dates gains over {N} M",)),
    (
        "README.md",
        f"run short in {N} % of futures, with it in {N} %",
        "rare-earths",
        (f"\\(without the plan in {N}% of futures", f"short in {N}% of futures"),
    ),
    ("models/study.md", f"that for USGS's {N} \\(", "regret", (f"for usgs_2025 .*? {N}% ",)),
    ("models/study.md", f"the joint plan saves {N} million", "allies", (f"planning together save {N} M",)),
    ("models/study.md", f"own {N} together", "allies", (f"plans of their own \\({N} M",)),
    ("models/study.md", f"cost {N} million and lose {N}", "vault", (f"years cost {N} million", f"plan loses {N} M")),
    (
        "models/study.md",
        f"forty days {N}, thirty {N}, no rule {N}",
        "vault-study",
        (f"days 40.0: worth {N}", f"days 30.0: worth {N}", f"total_musd 2000.0: worth {N}"),
    ),
    ("models/study.md", f"`rare-earths` gains {N} M, of which", "channel-rare-earths", (f"the gain is {N} M",)),
    (
        "models/study.md",
        f"of the {N} M of `critical-minerals` {N} are cheaper",
        "channel-critical-minerals",
        (f"the gain is {N} M", f"Cheaper imports bring {N} M"),
    ),
    (
        "models/study.md",
        f"cost importers {N} M more, and lose {N} instead",
        "channel-vault",
        (f"imports have taken {N} M", f"the plan loses {N} M"),
    ),
    ("models/study.md", f"of {N} comparable materials, {N} agree", "requirements", (f"of {N} materials", f"{N} of")),
    ("models/ask.md", f"appropriation_musd=1` finds {N} million", "diagnose", (r"appropriation \+ ([\d.]+) million",)),
]
"""(document, sentence, answer, its places: their groups are those of the sentence)."""


def solved(name: str) -> None:
    """Store what a command prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "optimizer"), "COLUMNS": "100", "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder:
        words = [str(ROOT / word) if word.startswith("models/") else word for word in shlex.split(COMMANDS[name])]
        sweep = words[0] == "sweep"
        command = [sys.executable, "-m", "strategic_minerals", *words, *(("--out", "out") if sweep else ())]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, INFEASIBLE):
            raise SystemExit(f"{COMMANDS[name]}: {done.stderr}")
        printed = points(Path(folder) / "out" / "points.csv") if sweep else done.stdout
    ANSWERS.mkdir(exist_ok=True)
    (ANSWERS / f"{name}.txt").write_text(printed, encoding="utf-8")


def points(table: Path) -> str:
    """The points of a sweep, one a line: what was changed, and the worth in billion USD."""
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    axes = [name for name in rows[0] if "." in name or name in ("days_of_cover", "ore_runs_out")]
    return "".join(
        f"{'; '.join(f'{name} {row[name]}' for name in axes if row[name])}: "
        f"{'worth %.1f' % (-float(row['objective_musd']) / 1000) if row['objective_musd'] else row['reason']}\n"
        for row in rows
    )


def line(text: str) -> str:
    """A text without its breaks."""
    return " ".join(text.split())


def differences() -> list[str]:
    """Sentences that are not found, or have another figure than the answer."""
    found = []
    for document, sentence, name, places in SAID:
        said = re.search(sentence, line((ROOT / document).read_text(encoding="utf-8")))
        answer = line((ANSWERS / f"{name}.txt").read_text(encoding="utf-8"))
        at = [re.search(place, answer) for place in places]
        stated = None if said is None else said.groups()
        stands = tuple(figure for place in at for figure in (place.groups() if place else ("nothing",)))
        if stated != stands:
            found.append(f"{document}: '{sentence}' has {stated}; the answer of {name} has {stands}")
    return found


def main() -> int:
    """Compare, after solving where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solve", nargs="*", choices=COMMANDS, help="answers to make anew; without a name, all")
    asked = parser.parse_args()
    for name in (asked.solve or COMMANDS) if asked.solve is not None else ():
        solved(name)
    found = differences()
    print("\n".join(found) or f"{len(SAID)} sentences of documents have the figures of stored answers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
