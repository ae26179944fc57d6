"""The project's documents: where they are, what they show, what they link to."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README, ASKING = "README.md", "models/ask.md"
PROGRAM = "strategic-minerals"
SERVICE = "optimizer/strategic_minerals/service/README.md"
PLACES = """README.md CHANGELOG.md .github/*.md .github/site/*.md models/**/*.md inputs/*.md tests/**/README.md
optimizer/strategic_minerals/**/README.md""".split()
DOCUMENTS = sorted({str(path.relative_to(ROOT)) for place in PLACES for path in ROOT.glob(place)})
"""Every document, by its path from the root of the checkout."""


def text(name: str) -> str:
    """The text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: str
    language: str
    text: str


def blocks(name: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of a document, all or those of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text(name), re.DOTALL | re.MULTILINE)
    return [Block(name, kind, inside) for kind, inside in found if language in (None, kind)]


def the_block(name: str, language: str, holds: str) -> str:
    """The one block of a document that holds a text."""
    found = [block.text for block in blocks(name, language) if holds in block.text]
    assert len(found) == 1, (name, language, holds, len(found))
    return found[0]


def command_lines(name: str, verbs: Collection[str]) -> Iterator[str]:
    """Command lines of a document, without the program's name, which may be missing between backticks where a verb comes first."""
    fenced = [line for block in blocks(name) if block.language in ("sh", "") for line in block.text.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text(name), flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    for line in (*fenced, *spans):
        for part in re.split(r" && |\$ ", line):
            found = re.match(rf"(?:\S*/)?{PROGRAM} ([a-z].*)", part.strip())
            if found is not None:
                yield found[1]
    for span in spans:
        if span.partition(" ")[0] in verbs and re.fullmatch(r"[^\[\](){}=:]+", span):
            yield span


def links(name: str) -> Iterator[str]:
    """Targets of the links and pictures of a document that do not lead out of the checkout."""
    shown = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text(name), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", shown):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(name: str) -> set[str]:
    """What headings of a document can be linked to as."""
    shown = re.sub(r"^```.*?^```$", "", text(name), flags=re.DOTALL | re.MULTILINE)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", shown, re.MULTILINE):
        word = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
        found.add(word.strip().replace(" ", "-"))
    return found
