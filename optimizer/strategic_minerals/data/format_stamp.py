"""In which format a plan, a folder of tables or a workbook is written: read, and written where it disturbs nobody.

A plan has the field `format`. A folder of tables has a small file beside the tables, a workbook a property of the document beside
the field of its plan. What says nothing is taken for one of the present format.
"""

from __future__ import annotations

import io
import json
import re
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ..core.bounded_files import read_bounded, text_of
from ..core.errors import Fault, InputError, shown
from ..schemas.formats import PLAN_FORMAT, TABLES_FORMAT, made_by_newer
from .plan_file import FORMAT
from .plan_places import TextKind

STAMP = "format.toml"
"""File of a folder of tables that says in which format they are."""
STAMP_TEXT = f"""# In which format the tables of this folder are written, so that a later version can read or lift them.
{FORMAT} = {TABLES_FORMAT}
"""
PROPERTY = "strategic_minerals_tables_format"
"""Property of a workbook that says the same of its tables."""
PROPERTIES = "docProps/custom.xml"
LARGEST_STAMP_BYTES = 10_000
STATED = re.compile(rf"(?m)^(\s*{FORMAT}\s*=\s*)\d+")
STATED_JSON = re.compile(rf'("{FORMAT}"\s*:\s*)\d+')


def folder_format(folder: Path) -> int | None:
    """Format of a folder of tables; None where it says nothing.

    Raises InputError for one that is not known yet, and for a stamp that does not read.
    """
    file = folder / STAMP
    if not file.exists():
        return None
    content = read_bounded(file, LARGEST_STAMP_BYTES, f"a line like {FORMAT} = {TABLES_FORMAT}")
    text = content if isinstance(content, Fault) else text_of(content, STAMP, "a TOML file in UTF-8")
    if isinstance(text, Fault):
        raise InputError([text])
    try:
        stated = tomllib.loads(text).get(FORMAT)
    except ValueError:
        stated = None
    line = next((str(n) for n, one in enumerate(text.splitlines(), start=1) if one.lstrip().startswith(FORMAT)), "1")
    return _known(stated, STAMP, line)


def book_format(content: bytes, name: str) -> int | None:
    """Format of the tables of a workbook; None where it says nothing, as books of other programs do. content: of the file.

    Raises InputError for one that is not known yet.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        if PROPERTIES not in parts.namelist() or parts.getinfo(PROPERTIES).file_size > LARGEST_STAMP_BYTES:
            return None
        properties = parts.read(PROPERTIES)
    if b"<!" in properties:  # a document type or entities, which no spreadsheet writes here
        return None
    for one in ElementTree.fromstring(properties):
        if one.get("name") == PROPERTY:
            text = "".join(one.itertext()).strip()
            return _known(int(text) if text.isascii() and text.isdigit() else text, f"{name}, properties", "")
    return None


def _known(stated: Any, file: str, row: str) -> int:
    """A format that can be read. Raises InputError for any other."""
    if isinstance(stated, bool) or not isinstance(stated, int) or stated < 1:
        found = "nothing" if stated is None else shown(stated)
        raise InputError([Fault(file, row, FORMAT, found, f"a number from 1 to {TABLES_FORMAT}")])
    if stated > TABLES_FORMAT:
        raise InputError([Fault(file, row, FORMAT, shown(stated), made_by_newer("the tables were", TABLES_FORMAT))])
    return stated


def content_of(text: str, kind: TextKind) -> dict[str, Any]:
    """A text that reads as plain data."""
    found: dict[str, Any] = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    return found


def stamped(text: str, kind: TextKind = "TOML") -> str:
    """The text of a plan file that says in which format it is: above its first field, or where it says so already.

    Raises ValueError where the text would not say the same otherwise.
    """
    content = content_of(text, kind)
    if FORMAT in content:
        pattern = STATED_JSON if kind == "JSON" else STATED
        tried = [f"{text[: one.start()]}{one[1]}{PLAN_FORMAT}{text[one.end() :]}" for one in pattern.finditer(text)]
    elif kind == "JSON":
        head, brace, rest = text.partition("{")
        gap = re.match(r"\s*", rest)
        space = gap[0] if gap else ""
        tried = [f'{head}{brace}{space}"{FORMAT}": {PLAN_FORMAT}{"," if content else ""}{space or " "}{rest.lstrip()}']
    else:
        lines = text.split("\n")
        first = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
        tried = ["\n".join([*lines[:first], f"{FORMAT} = {PLAN_FORMAT}", *lines[first:]])]
    return that_says(tried, {**content, FORMAT: PLAN_FORMAT}, kind)


def that_says(tried: list[str], wanted: Mapping[str, Any], kind: TextKind) -> str:
    """The first of some texts that reads as it should. ValueError where none does."""
    for text in tried:
        try:
            if content_of(text, kind) == wanted:
                return text
        except ValueError:
            continue
    raise ValueError("no such text")
