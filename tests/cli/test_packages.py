"""What goes with the packages: the page of an index, and the trial of the wheel on other Pythons."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from support.documents import ROOT

STEP = ROOT / ".ci" / "interpreters.sh"
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


@pytest.mark.parametrize(
    ("text", "wanted", "bare"),
    [
        ("see [a `b`](models/README.md#c)", f"see [a `b`]({HOST}models/README.md#c)", "see a `b`"),
        ("![alt](.github/report.png)", f"![alt]({IMAGES}.github/report.png)", ""),
        ("[a](./x y.md)", "[a](./x y.md)", "[a](./x y.md)"),
        ("[a](https://x.example/y) [b](#c)", "[a](https://x.example/y) [b](#c)", "[a](https://x.example/y) [b](#c)"),
        ("`[a](b)` [LICENSE](LICENSE)", f"`[a](b)` [LICENSE]({HOST}LICENSE)", "`[a](b)` LICENSE"),
    ],
)
def test_links_of_the_page_lead_somewhere(
    text: str, wanted: str, bare: str, index_page: Callable[[str, str, str], str]
) -> None:
    """Proves: links to files are absolute, those that are so already and code stay; without an address, words alone are left."""
    assert index_page(text, HOST, IMAGES) == wanted
    assert index_page(text, "", "") == bare


@pytest.mark.parametrize(("text", "address"), [("[a](../b.md)", HOST), ("[a](/b.md)", HOST), ("[a](b.md)", HOST[:-1])])
def test_what_would_lead_nowhere_ends_the_build(
    text: str, address: str, index_page: Callable[[str, str, str], str]
) -> None:
    """Proves: a link out of the checkout and an address that is no folder are errors, and no broken page."""
    with pytest.raises(ValueError, match=r"slash|out of the checkout"):
        index_page(text, address, address)


def test_the_readme_leaves_no_relative_link_on_the_page(index_page: Callable[[str, str, str], str]) -> None:
    """Proves: of the shipped README every link is absolute with the addresses, and none is left without them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = index_page(text, HOST, IMAGES)
    assert linked.count("](") == text.count("](") == linked.count("](https://host.example/")
    assert f"]({IMAGES}.github/report.png)" in linked
    assert "](" not in index_page(text, "", "")


def test_the_metadata_name_every_python_that_is_tried() -> None:
    """Proves: classifiers, the step and the workflow speak of the same versions, from the lowest that is allowed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [
        line.rpartition(" ")[2]
        for line in project["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    assert project["requires-python"] == f">={versions[0]}"
    assert f"${{PYTHONS:-{' '.join(versions)}}}" in STEP.read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "python: [" + ", ".join(f'"{one}"' for one in versions) + "]" in workflow
    assert ".ci/interpreters.sh" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def step(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, **environment}
    return subprocess.run([STEP, folder], capture_output=True, text=True, env=given, check=False)


def test_pythons_that_are_not_there_are_told_and_may_be_required(tmp_path: Path) -> None:
    """Proves: the step says which versions were not to be had; it fails where one of them has to be tried, where nothing was
    tried at all, and where there is not one wheel."""
    assert "not one wheel" in step(tmp_path).stdout
    (tmp_path / "x-1-py3-none-any.whl").write_bytes(b"")
    found = step(tmp_path, PYTHONS="3.98 3.99", NEEDED="3.99")
    assert "tried: none" in found.stdout
    assert "not to be had here: 3.98 3.99" in found.stdout
    assert "3.99 was to be tried" in found.stdout
    assert found.returncode == 1
    assert step(tmp_path, PYTHONS="3.98").returncode == 1
