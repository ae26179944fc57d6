"""README.md as the page of a package index: links to files of the checkout lead to where its host shows them.

An index shows the text alone, so a relative link leads nowhere there. The two addresses are settings of the hook in
`pyproject.toml`; as long as they are empty, a link to a file is its words alone, and a picture is left out. Links within the page
and to other sites stay."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"`[^`\n]*`|(?P<mark>!?)\[(?P<words>(?:[^\[\]`]|`[^`\n]*`)*)\]\((?P<path>[^)\s]+)\)")
"""A link or a picture, or code, which is passed over."""
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#", re.IGNORECASE)


def index_page(readme: str, documents: str, images: str) -> str:
    """A README with absolute links. documents, images: addresses that end in a slash; empty: there is none.

    Raises ValueError for a link that leads out of the checkout, and for an address without a slash at its end."""
    for address in (documents, images):
        if address and not address.endswith("/"):
            raise ValueError(f"{address}: an address of a folder ends in a slash")

    def absolute(found: re.Match[str]) -> str:
        path = found["path"]
        if path is None or ELSEWHERE.match(path):
            return found[0]
        file, mark, anchor = path.partition("#")
        file = posixpath.normpath(file)
        if file.startswith(("../", "/")) or file == "..":
            raise ValueError(f"{path}: a link out of the checkout")
        root = images if found["mark"] else documents
        if not root:
            return "" if found["mark"] else found["words"]
        return f"{found['mark']}[{found['words']}]({root}{quote(file)}{mark}{anchor})"

    return re.sub(r"\n{3,}", "\n\n", LINK.sub(absolute, readme))


class IndexPage(MetadataHookInterface):
    """Writes the long description of the packages."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the page to the metadata."""
        addresses = (str(self.config[name]).format(version=metadata["version"]) for name in ("documents", "images"))
        text = index_page((Path(self.root) / "README.md").read_text(encoding="utf-8"), *addresses)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
