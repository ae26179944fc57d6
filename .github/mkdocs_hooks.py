"""The documents' site: pages are the READMEs, taken from where they stand, under the paths that they have in the checkout.

Relative links therefore lead where they lead in the checkout, but for `.github`: a site's folders do not begin with a dot, so its
files stand under `project`. Other files that documents link to, such as tests and the picture, are copied beside the pages.
"""

from __future__ import annotations

import ast
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
    "models/*.md",
    "models/notebooks/*.ipynb",
    "inputs/*.md",
    "tests/**/README.md",
    "optimizer/strategic_minerals/**/README.md",
)
RENAMED = {".github": "project"}
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


def public_names() -> list[str]:
    """`__all__` of the package, read without importing it."""
    source = (ROOT / "optimizer" / "strategic_minerals" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    raise ValueError("strategic_minerals/__init__.py has no __all__")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add what the site consists of."""
    from mkdocs.structure.files import File

    for path in collected():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".ipynb":  # the plugin that runs notebooks knows files by their folder alone
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
        else:
            files.append(File.generated(config, site_path(name), abs_src_path=str(path)))
    return files


setattr(on_files, "mkdocs_priority", 100)  # noqa: B010  # before the plugin that runs notebooks looks for them


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn the links of a document; write the names of the package into their page."""
    if page.file.src_uri == "api.md":
        return markdown + "".join(f"\n::: strategic_minerals.{name}\n" for name in public_names())
    source = Path(str(page.file.abs_src_path))
    if source.suffix == ".ipynb":
        return markdown
    return relinked(markdown, source.relative_to(ROOT).as_posix())
