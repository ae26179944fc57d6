"""The documents' site: pages are the documents, taken from where they stand, under the paths that they have in the checkout, and
pages of table columns, verbs and public names, written from the code.

Relative links therefore lead where they lead in the checkout, but for `.github` and `.ci`: a site's folders do not begin with a
dot, so their files stand under `project` and `ci`. Other files that documents link to, such as tests and the picture, are copied
beside the pages.
"""

from __future__ import annotations

import inspect
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PLACES = (
    "README.md",
    "CHANGELOG.md",
    ".github/*.md",
    "models/**/*.md",
    "models/notebooks/*.ipynb",
    "inputs/*.md",
    "tests/**/README.md",
    ".ci/benchmarks/README.md",
    "optimizer/strategic_minerals/**/README.md",
)
RENAMED = {".github": "project", ".ci": "ci"}
LINK = re.compile(r"`[^`\n]*`|(?P<before>\]\()(?P<path>[^)\s#:]+)(?P<rest>#[^)\s]*)?\)")
"""A link to a file of the checkout, or code, which is passed over."""


def collected() -> list[Path]:
    """Every document, and every other file that one of them links to."""
    pages = [path for place in PLACES for path in sorted(ROOT.glob(place))]
    linked = {
        (page.parent / found["path"]).resolve()
        for page in pages
        for found in LINK.finditer(page.read_text(encoding="utf-8"))
        if found["path"]
    }
    return [*pages, *sorted(path for path in linked if path.is_file() and path not in pages)]


def site_path(path: str) -> str:
    """Where a file of the checkout stands in the site; both from their roots."""
    first, slash, rest = path.partition("/")
    return f"{RENAMED.get(first, first)}{slash}{rest}"


def relinked(markdown: str, path: str) -> str:
    """A document with its links as they are in the site. path: where the document stands in the checkout."""
    here = posixpath.dirname(path)

    def moved(found: re.Match[str]) -> str:
        if found["path"] is None:
            return found[0]
        target = site_path(posixpath.normpath(posixpath.join(here, found["path"])))
        return f"{found['before']}{posixpath.relpath(target, site_path(here) or '.')}{found['rest'] or ''})"

    return LINK.sub(moved, markdown)


def columns() -> str:
    """Every table with its columns, units and meanings, from the row classes."""
    from strategic_minerals.question.base import meaning
    from strategic_minerals.question.tables import TABLES

    parts = ["# Columns of the tables", "Every table has `source`, `year`, `confidence` and `note` besides."]
    for name, row in TABLES.items():
        key = ", ".join(f"`{column}`" for column in row.key)
        lines = ["| column | meaning |", "|---|---|"]
        for column, field in row.model_fields.items():
            if column not in ("source", "year", "confidence", "note") and not column.endswith(("_low", "_high")):
                ends = " (and `_low`, `_high`)" if f"{column}_low" in row.model_fields else ""
                optional = "" if field.is_required() else " Optional."
                lines.append(f"| `{column}`{ends} | {' '.join(meaning(row, column).split())}{optional} |")
        parts += [f"## {name}", f"{(inspect.getdoc(row) or '').splitlines()[0]} Key: {key}.", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def command_line() -> str:
    """Every verb with its arguments and options, from the application."""
    import typer
    from typer.cli import get_docs_for_click

    from strategic_minerals.cli.main import app, command_of
    from strategic_minerals.verbs import VERBS

    program: Any = typer.main.get_command(app)
    program.commands |= {name: command_of(verb) for name, verb in VERBS.items()}
    return get_docs_for_click(
        obj=program, ctx=typer.Context(program), name="strategic-minerals", title="The command line"
    )


WRITTEN = {"columns.md": columns, "command-line.md": command_line}
"""Page of the site -> the function that writes it from the code."""


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add what the site consists of."""
    from mkdocs.structure.files import File

    for name, write in WRITTEN.items():
        files.append(File.generated(config, name, content=write()))
    for path in collected():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".ipynb":  # the plugin that runs notebooks knows files by their folder alone
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
        else:
            files.append(File.generated(config, site_path(name), abs_src_path=str(path)))
    return files


setattr(on_files, "mkdocs_priority", 100)  # noqa: B010  # before the plugin that runs notebooks looks for them


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn the links of a document; write the public names into their page, for mkdocstrings."""
    if page.file.src_uri in WRITTEN:
        return markdown
    if page.file.src_uri == "api.md":
        import strategic_minerals

        return markdown + "".join(f"\n::: strategic_minerals.{name}\n" for name in strategic_minerals.__all__)
    source = Path(str(page.file.abs_src_path))
    if source.suffix == ".ipynb":
        return markdown
    return relinked(markdown, source.relative_to(ROOT).as_posix())
