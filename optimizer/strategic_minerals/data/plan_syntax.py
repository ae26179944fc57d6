"""Syntax errors of TOML and JSON files for people who know neither: the line, its text and what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import Fault, shown
from ..core.letter_hints import foreign, latin
from ..core.names import is_everything
from ..core.shape_hints import shape_hint
from ..core.year_hints import YearKind, figure_hint, year_list
from .plan_lines import last_json_name, repeated, toml_field
from .toml_text import COLON, SETTING, SPACED_KEY, code_of, goes_on, in_list, line_at, opened_at, reads

AT = re.compile(r"\(at line (\d+), column (\d+)\)")
CURLY = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": "'", "\u2019": "'"}
)
CURLY_MARKS = re.compile("[\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019]")
ODD_SPACES = re.compile("[\u00a0\u2007\u2009\u202f\u200b\u3000]")
TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
CODE = re.compile(r"[A-Za-z]\w*_\w*|[A-Za-z]{2,}[A-Za-z_.+-]*\d[\w.+-]*")
"""A name with digits in it: mcs2024, usgs_2024, war-2030."""
BARE = re.compile(r"[A-Za-z*][\w .*+-]*")
LIST = 'entries with commas between them, and ] at the end: materials = ["gallium", "germanium"]'
STATEMENT = "field = value, [table], or a comment after #"
LIST_END = re.compile(r"[\[\]{}]")
LONGEST_LINE = 90
"""Characters of a line that are shown."""


@dataclass(frozen=True)
class Fields:
    """What is known of the fields of a file; nothing, of one whose fields nobody knows."""

    kinds: Callable[[str], frozenset[str]] = lambda _: frozenset()
    """Kinds of JSON that a dotted field may have: empty for one that nobody knows."""
    items: Callable[[str], frozenset[str]] = lambda _: frozenset()
    """Kinds of the entries of its list or table."""
    years: Callable[[str], YearKind] = lambda _: ""
    """Which kind of year it holds."""


NONE_KNOWN = Fields()


def toml_fault(file: str, text: str, message: str, fields: Fields = NONE_KNOWN) -> Fault:
    """A fault for text that does not read as TOML. message: what `tomllib` said."""
    whole = _whole_file(text)
    if whole:
        return Fault(file, "1", "", _line_of(text, 1), whole)
    at = AT.search(message)
    number = int(at[1]) if at else _last_line(text)
    code = code_of(text, number)
    field_there = toml_field(text, number)
    unquoted = _unquoted(field_there, code, fields) or _unlisted(field_there, code, fields)
    number, expected = (number, unquoted) if unquoted else _about(text, number, message, fields)
    code = code_of(text, number)
    field = SETTING.fullmatch(code) or COLON.fullmatch(code)
    return Fault(file, str(number), field["key"] if field else "", _line_of(text, number), expected)


def _unquoted(field: str, line: str, fields: Fields) -> str:
    """What to write in place of text without quotation marks, in a field that holds text; empty where it is no such line."""
    setting = SETTING.fullmatch(line)
    value = setting["value"].strip() if setting else ""
    if (
        not setting
        or not WORDS.fullmatch(value)
        or reads(value)
        or value.lower() in NOTHING
        or not _is_text(fields.kinds(field), value)
    ):
        return ""
    return f'text in quotation marks: {setting["key"]} = "{value}"'


def _unlisted(field: str, line: str, fields: Fields) -> str:
    """What to write in place of names or years without brackets, in a field that holds a list; empty where it is no such line."""
    setting = SETTING.fullmatch(line)
    value, kinds, items = setting["value"].strip() if setting else "", fields.kinds(field), fields.items(field)
    if not setting or kinds - {"null"} != {"array"} or not value or reads(value):
        return ""
    if items == {"string"} and LISTED.fullmatch(value):
        names = ["*"] if is_everything(value) else re.split(r"[\s,;]+", value)
        return f"a list: {setting['key']} = {json.dumps(names)}{', which means all' if names == ['*'] else ''}"
    years = fields.years(field)
    entries = [entry.strip("\"' ") for entry in re.split(r"[,;]", value.strip("[]"))]
    meant = "" if value.startswith("[") else shape_hint(value, kinds, items)
    return meant or (year_list(entries, years) if years else "")


LISTED = re.compile(r"[A-Za-z_*][\w.+-]*(?:[\s,;]+[A-Za-z_*][\w.+-]*)*")
"""Names without brackets and quotation marks."""


def _is_text(kinds: frozenset[str], value: str) -> bool:
    """Whether a field holds text and nothing else; of one that nobody knows, whether its value is a name with digits in it."""
    return kinds - {"null"} == {"string"} if kinds else bool(CODE.fullmatch(value))


WORDS = re.compile(
    r"[\w*(](?:[^\"'\\\[\]{}\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u00a0\u2007\u2009\u202f\u200b\u3000]*[^\"'\\\[\]{};,\s])?"
)
"""Text that quotation marks around it make readable."""
NOTHING = ("null", "none", "nil", "nan", "n/a", "na")


def json_fault(file: str, text: str, error: Exception, fields: Fields = NONE_KNOWN) -> Fault:
    """A fault for text that does not read as JSON."""
    if not isinstance(error, json.JSONDecodeError):
        at = repeated(text)
        field, line = (at[0], str(at[1])) if at else ("", "")
        return Fault(file, line, field, str(error), "a JSON document with each key once per object")
    number = error.lineno
    if text.strip() and not text.lstrip().startswith(("{", "[")):
        return Fault(
            file, "1", "", _line_of(text, 1), "JSON, which begins with {; the name of a TOML plan ends in .toml"
        )
    trailing = error.msg.startswith("Expecting property name") and text[: error.pos].rstrip().endswith(",")
    if (trailing or error.msg.startswith("Expecting ','")) and not text[
        text.rfind("\n", 0, error.pos) + 1 : error.pos
    ].strip():
        number = text[: error.pos].rstrip().count("\n") + 1
    return Fault(
        file,
        str(number),
        "",
        _line_of(text, number),
        _json_text(text, error.pos, fields) or _json_words(text, error, fields),
    )


def _json_text(text: str, position: int, fields: Fields) -> str:
    """What to write in place of text without quotation marks, in a field that holds text; empty where there is none such."""
    value = _value_around(text, position).rstrip(" }]")
    field = last_json_name(text[:position])
    figure = re.match(r"-?\d+", value)  # is read, where text begins with one; what follows it is where JSON stops
    begins = text[:position].rstrip().endswith(":") or (figure is not None and text[:position].endswith(figure[0]))
    if not begins or not WORDS.fullmatch(value) or value.lower() in NOTHING or not _is_text(fields.kinds(field), value):
        return ""
    return f'text in quotation marks: "{field.rpartition(".")[2]}": "{value}"'


def _json_words(text: str, error: json.JSONDecodeError, fields: Fields) -> str:
    """What to write where JSON stops to read."""
    rest = text[error.pos :].split("\n", 1)[0].strip()
    before = text[: error.pos].rstrip()
    word = re.match(r"[A-Za-z]+", rest)
    if error.pos >= len(text.rstrip()) or ("Unterminated" in error.msg and "\n" not in text[error.pos :]):
        return "the rest of the file: it ends before its last } (was it copied completely?)"
    if before.endswith(",") and rest[:1] in ("}", "]", ""):
        return "no comma after the last entry"
    if before.endswith((",", "[", "{")) and rest.startswith(","):
        return "one comma between two entries"
    if rest.startswith("'"):
        return 'names and text in double quotation marks: "name"'
    if CURLY_MARKS.search(rest[:1]):
        return 'straight quotation marks: "name"'
    if rest.startswith(("//", "#", "/*")):
        return "no comments, which JSON does not have (a TOML plan may have them, after #)"
    if word and before.endswith((":", "[", ",")) and word[0].lower() in (*TRUTHS, "none", "null"):
        return f"{TRUTHS.get(word[0].lower(), 'null')}, in this spelling"
    value = re.split(r"[}\]]\s*$", _value_around(text, error.pos))[0].strip()
    field = last_json_name(text[: error.pos])
    meant = figure_hint(value, field.rpartition(".")[2], fields.years(field))
    if meant and not _is_json(value):
        return f"a number: {meant}"
    if error.msg.startswith("Expecting ',' delimiter"):
        elsewhere = "\n" in text[len(before) : error.pos]
        return "a comma after this entry, before the next one" if elsewhere else "a comma between two entries"
    if error.msg.startswith("Expecting ':'"):
        return 'a colon between name and value: "years": 5'
    if "Unterminated string" in error.msg or "Invalid control character" in error.msg:
        return 'a closing quotation mark " on this line'
    return 'an entry of JSON: "name": value, with text in double quotation marks'


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _value_around(text: str, position: int) -> str:
    """What stands after the colon on the line of a position."""
    start, end = text.rfind("\n", 0, position) + 1, text.find("\n", position)
    line = text[start : len(text) if end < 0 else end]
    return line.partition(":")[2].strip().rstrip(",")


def _whole_file(text: str) -> str:
    """What to do with a file that is of another kind as a whole; empty where it is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    head = text.lstrip()
    if head.startswith("{"):
        return "TOML (field = value); this looks like JSON, whose file name must end in .json"
    if head[:200].lower().startswith(("<!doctype", "<html", "<?xml", "<")) and not head.startswith("<<<<<<<"):
        return "TOML (field = value); this is a page of HTML or XML: save the plan itself"
    settings = sum(bool(SETTING.fullmatch(line)) for line in lines)
    colons = sum(bool(COLON.fullmatch(line)) or line.startswith("- ") for line in lines)
    if lines and (head.startswith("---") or colons > 3 * settings) and colons:
        return "TOML (field = value, tables as [horizon]); this looks like YAML, which is not supported"
    if len(lines) > 1 and not settings and all(line.count(",") >= 1 for line in lines[:3]):
        return "TOML (field = value); this looks like a table: tables belong in the folder `tables`, as CSV"
    return ""


def _about(text: str, number: int, message: str, fields: Fields) -> tuple[int, str]:
    """(line, what to write there) of a place where TOML stops to read."""
    line = code_of(text, number)
    if (
        "Cannot overwrite" in message
        or "twice" in message
        or "Cannot mutate" in message
        or "Cannot redefine" in message
    ):
        return _stands_twice(text, number)
    if goes_on(text, number, lambda field: bool(fields.kinds(field))):
        return number, "a comment that begins with #: this line continues the comment above"
    if in_list(text, number):
        return opened_at(text, number - 1), LIST
    found = _of_line(line, fields.years(toml_field(text, number)))
    if found:
        return number, found
    if "Unclosed array" in message or "inline table" in message or "Unclosed" in message or not line.strip():
        opened = opened_at(text, number)
        closing = "}" if "inline table" in message else "]"
        return (
            opened,
            f'entries with commas between them, and {closing} at the end: materials = ["gallium", "germanium"]',
        )
    opened = opened_at(text, number)
    setting = SETTING.fullmatch(code_of(text, opened))
    if opened != number and setting and setting["value"].strip().startswith(("[", "{")) and not reads(setting["value"]):
        return opened, LIST
    return number, STATEMENT


def _stands_twice(text: str, number: int) -> tuple[int, str]:
    """A field or a table that is there already, with the line where it is first."""
    line = code_of(text, number).strip()
    is_table = line.startswith("[")
    name = line.strip("[] ") if is_table else line.partition("=")[0].strip()
    start = next((n for n in range(number - 1, 0, -1) if code_of(text, n).strip().startswith("[")), 0)
    lines = range(1, number) if is_table else range(max(start, 1), number)
    same = [n for n in lines if code_of(text, n).strip().partition("=")[0].strip("[] \t") == name]
    where = f": it is already in line {same[0]}" if same else ""
    what = "the table" if is_table else "the field"
    more = "; several tables of the same name are written with double brackets, [[...]]" if is_table else ""
    return number, f"{what} {shown(name)} once{where}{more}"


def _of_line(line: str, years: YearKind) -> str:
    """What to write in place of a line; empty where the line by itself says nothing wrong."""
    bare = line.strip()
    if any((ord(character) < 32 and character != "\t") or character == "\x7f" for character in line):
        return "text without control characters (was the file copied from another kind of program?)"
    if ODD_SPACES.search(line):
        return "ordinary spaces: one is of another kind (copied from a page or a document); type it again"
    head = bare.strip("[] ") if bare.startswith("[") else bare.partition("=")[0].strip()
    if foreign(head) and ("=" in bare or bare.startswith("[")) and re.fullmatch(r"[A-Za-z0-9_.]+", latin(head)):
        return f"{bare.replace(head, latin(head), 1)}, in ordinary letters: {foreign(head)}"
    if bare.startswith(("//", "--", ";", "/*", "%", "'")):
        return "a comment that begins with #"
    if bare.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        return "a file without merge conflict markers: keep one of the two versions"
    if bare.startswith("[") and "=" not in bare:
        return _of_table(bare)
    if bare.endswith("]") and "=" not in bare and "[" not in bare and '"' not in bare:
        return _of_table(bare)
    setting = SETTING.fullmatch(line)
    if setting:
        return _of_value(setting["key"], setting["value"].strip(), years)
    spaced, colon = SPACED_KEY.fullmatch(line), COLON.fullmatch(line)
    if colon:
        return f"an equals sign: {colon['key']} = {(colon['value'] or 'value').strip() or 'value'}"
    if spaced and not CURLY_MARKS.search(spaced["key"]):
        return f"a name without spaces: {re.sub(' +', '_', spaced['key'].strip())} = {spaced['value'].strip()}"
    if CURLY_MARKS.search(line):
        return f"straight quotation marks: {bare.translate(CURLY)}"
    if "=" in bare and not bare.startswith(("[", "{", '"')):
        return "a name of letters, digits and _ before the equals sign"
    words = bare.split(None, 1)
    if len(words) == 2 and re.fullmatch(r"[A-Za-z_][\w.]*", words[0]) and not bare.endswith((",", "]", "}")):
        return f"an equals sign: {words[0]} = {words[1]}"
    return ""


def _of_table(bare: str) -> str:
    """What to write in place of a line that begins a table."""
    name = bare.strip("[] ")
    doubled = bare.startswith("[[") or bare.endswith("]]")
    if re.fullmatch(r"[A-Za-z0-9_.\"-]+", name):
        right = f"[[{name}]]" if doubled else f"[{name}]"
        return right if bare != right else ""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("_")
    return f"a name without spaces in the brackets: {f'[[{plain}]]' if doubled else f'[{plain}]'}" if plain else ""


def _of_value(key: str, value: str, years: YearKind) -> str:
    """What to write in place of the value of a field; empty where it reads."""
    if value.startswith("="):
        return f"one equals sign: {key} = {value.lstrip('= ')}"
    if not value:
        return f"a value after the equals sign; if there is none, delete the line with {key}"
    if reads(value):
        return ""
    if CURLY_MARKS.search(value):
        return f"straight quotation marks: {key} = {value.translate(CURLY)}"
    for end in (";", ","):
        if value.endswith(end) and reads(value.rstrip(f"{end} ")):
            return f"nothing after the value: {key} = {value.rstrip(f'{end} ')}"
    truth = TRUTHS.get(value.lower())
    if truth is not None:
        return f"{key} = {truth}"
    if value.lower() in NOTHING:
        return f"a value; if there is none, delete the line with {key}"
    quotes = value[0] if value[0] in "\"'" else value[-1] if value[-1] in "\"'" else ""
    if quotes and "\\" in value and value.count(quotes) > 1:
        return f"text with a backslash in single quotation marks: {key} = '{value.strip(quotes)}'"
    if quotes and value.count(quotes) % 2:
        return f"a quotation mark on both sides of the text: {key} = {quotes}{value.strip(quotes)}{quotes}"
    if (
        re.fullmatch(r"[-+]?\.\d+", value)
        or re.fullmatch(r"[-+]?\d+\.", value)
        or re.fullmatch(r"[-+]?0\d+(\.\d*)?", value)
    ):
        return f"{key} = {float(value):.12g}"
    meant = figure_hint(value, key, years)
    if meant:
        return f"a number: {meant}"
    if value.startswith("["):
        return _of_list(key, value, years)
    if BARE.fullmatch(value):
        return f'text in quotation marks: {key} = "{value}"'
    return ""


def _of_list(key: str, value: str, years: YearKind) -> str:
    """What to write in place of a list on one line."""
    if not value.endswith("]"):
        return ""  # it goes on, or it was not closed
    figures = [part.strip() for part in re.split(r",\s+|;", value.strip("[]"))]
    points = [figure_hint(figure, key, years) for figure in figures]
    if all(figure and "decimal point" in point for figure, point in zip(figures, points, strict=True)):
        return f"{key} = [{', '.join(figure.replace(',', '.') for figure in figures)}], with decimal points"
    entries = [
        part.strip().strip("\"'")
        for part in re.split(r"[,;]|(?<=[\"'])\s+(?=[\"'])", value.strip("[]"))
        if part.strip()
    ]
    if entries and all(BARE.fullmatch(entry) for entry in entries):
        return f"{key} = {json.dumps(entries)}"
    return f'entries with commas between them, text in quotation marks: {key} = [1, 2] or ["gallium", "tin"]'


def _last_line(text: str) -> int:
    """The last line with anything on it."""
    return max((n for n, line in enumerate(text.splitlines(), start=1) if line.strip()), default=1)


def _line_of(text: str, number: int) -> str:
    """A line as it is shown."""
    line = (code_of(text, number) if number > 1 else line_at(text, number)).strip() or line_at(text, number).strip()
    if not line:
        return "an empty file" if not text.strip() else "an empty line"
    short = line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."
    return "".join(character if character.isprintable() else "\ufffd" for character in short)
