"""What goes with the packages: the page of an index."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from support.documents import ROOT

HOST = "https://host.example/p/blob/v1/"
IMAGES = "https://host.example/p/raw/v1/"


@pytest.fixture(scope="module")
def index_page() -> Callable[[str, str, str], str]:
    """The function of the hook; what builds packages is not installed where tests run, so its base class stands in."""
    names = ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin", "hatchling.metadata.plugin.interface")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[names[-1]].__dict__["MetadataHookInterface"] = object
        spec = importlib.util.spec_from_file_location("index_page", ROOT / ".ci" / "index_page.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    found: Callable[[str, str, str], str] = module.index_page
    return found


def test_the_readme_leaves_no_relative_link_on_the_page(index_page: Callable[[str, str, str], str]) -> None:
    """Proves: of the shipped README every link is absolute with the addresses, and none is left without them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = index_page(text, HOST, IMAGES)
    assert linked.count("](") == text.count("](") == linked.count("](https://host.example/")
    assert f"]({IMAGES}.github/report.png)" in linked
    assert "](" not in index_page(text, "", "")
