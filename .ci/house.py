"""Count the house: lines by room, modules, arrows between rooms, circles; words of the documents.

It prints the counts and ends with 1 where a limit below is passed or an arrow runs up. A line is blank, part of a docstring (any
statement that is a string alone), a comment, or code: every other line with a token."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "optimizer" / "strategic_minerals"
ROOMS = (
    "core",
    "question",
    "world",
    "model",
    "matrix",
    "solver",
    "audit",
    "answer",
    "studies",
    "page",
    "service",
    "cli",
)
"""From the ground up: a room imports itself and those before it."""
DOORS = ("", "__init__", "verbs")
"""Modules of the package itself, which name functions of all rooms and import none of them before they are used."""
LIMITS = {
    "package lines": 60_000,
    "modules": 150,
    "largest module": 1_000,
    "test lines": 30_000,
    "arrows up": 0,
    "circles": 0,
}
KINDS = ("total", "code", "docstring", "comment", "blank")


def count(source: str) -> dict[str, int]:
    """Lines of a source by kind."""
    lines = source.splitlines()
    strings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for line in node.body:
                if (
                    isinstance(line, ast.Expr)
                    and isinstance(line.value, ast.Constant)
                    and isinstance(line.value.value, str)
                ):
                    strings.update(range(line.lineno, (line.end_lineno or line.lineno) + 1))
    code, comments = set[int](), set[int]()
    layout = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in layout:
            code.update(range(token.start[0], token.end[0] + 1))
    code -= strings
    comments -= code | strings
    rest = len(lines) - len(code) - len(strings) - len(comments)
    return dict(zip(KINDS, (len(lines), len(code), len(strings), len(comments), rest), strict=True))


def modules() -> dict[str, Path]:
    """Dotted name below the package -> file."""
    files = (path for path in PACKAGE.rglob("*.py") if "shipped_files" not in path.parts)
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(name: str, tree: ast.AST, known: dict[str, Path], *, at_once: bool) -> Iterator[str]:
    """Modules of the package that one imports. at_once: those alone that are imported when it is."""
    later = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            later |= {id(inner) for inner in ast.walk(node)}
    package = name if known[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (at_once and id(node) in later) or not node.level:
            continue
        parts = package.split(".") if package else []
        base = ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
        yield from {found for one in node.names if (found := f"{base}.{one.name}".strip(".")) in known} or {base}


def room(module: str) -> str:
    """The room of a module."""
    return module.partition(".")[0]


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, by names."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in sorted(arrows.get(name, ())):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(" - ".join(sorted(group)))

    for name in sorted(arrows):
        if name not in order:
            visit(name)
    return found


def arrows_up() -> list[str]:
    """Imports of a room above, with the module that has them."""
    known, wrong = modules(), []
    for name, path in known.items():
        if name in (*DOORS, "__main__"):
            continue
        for other in imports(name, ast.parse(path.read_text(encoding="utf-8")), known, at_once=False):
            if other not in DOORS and ROOMS.index(room(other)) > ROOMS.index(room(name)):
                wrong.append(f"{name} imports {other}")
    return sorted(set(wrong))


def main() -> int:
    """Print the counts; 1 where a limit is passed."""
    known = modules()
    rooms: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("files", *KINDS), 0))
    arrows: dict[str, set[str]] = {}
    for name, path in known.items():
        source = path.read_text(encoding="utf-8")
        of = room(name) if name not in (*DOORS, "__main__") else "(package)"
        rooms[of]["files"] += 1
        for kind, lines in count(source).items():
            rooms[of][kind] += lines
        arrows[name] = set(imports(name, ast.parse(source), known, at_once=True)) - {name}
    print(f"{'room':<12}" + "".join(f"{kind:>11}" for kind in ("files", *KINDS)))
    for of, lines in sorted(rooms.items(), key=lambda pair: -pair[1]["total"]):
        print(f"{of:<12}" + "".join(f"{lines[kind]:>11,}" for kind in ("files", *KINDS)))
    print(f"{'all':<12}" + "".join(f"{sum(one[kind] for one in rooms.values()):>11,}" for kind in ("files", *KINDS)))
    up, round_about = arrows_up(), circles(arrows)
    tests = [path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")]
    figures = {
        "package lines": sum(one["total"] for one in rooms.values()),
        "modules": len(known),
        "largest module": max(path.read_text(encoding="utf-8").count("\n") for path in known.values()),
        "test lines": sum(tests),
        "arrows up": len(up),
        "circles": len(round_about),
    }
    words = sum(
        len(path.read_text(encoding="utf-8").split()) for path in ROOT.rglob("*.md") if ".venv" not in path.parts
    )
    print("\n" + "; ".join(f"{name} {value:,}" for name, value in figures.items()) + f"; words of documents {words:,}")
    for line in (*up, *round_about):
        print(f"  {line}")
    passed = [
        f"{name}: {figures[name]:,}, at most {limit:,}" for name, limit in LIMITS.items() if figures[name] > limit
    ]
    print("\n".join(passed))
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
