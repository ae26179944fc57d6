"""Look-alike letters: from other alphabets, of zero width, and letters typed instead of digits."""

from __future__ import annotations

import unicodedata

CYRILLIC = "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0501\u051b\u051d\u04bb"
CYRILLIC_CAPITALS = "\u0410\u0412\u0415\u0417\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
GREEK = "\u03b1\u03bf\u03bd\u03b9\u03c1\u03c5\u03ba\u03c7"
GREEK_CAPITALS = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
LATIN_KIN = {"\u0131": "i", "\u0130": "I", "\u0237": "j", "\u017f": "s", "\u0251": "a", "\u0261": "g"}
"""Letters of the Latin alphabet itself that only some languages have: i without a dot, I with one, and the like."""
ALIKE = (
    dict(zip(CYRILLIC, "aeopcyxijsdqwh", strict=True))
    | dict(zip(CYRILLIC_CAPITALS, "ABE3KMHOPCTYXIJS", strict=True))
    | dict(zip(GREEK, "aoviruk", strict=False))
    | {"\u03c7": "x"}
    | dict(zip(GREEK_CAPITALS, "ABEZHIKMNOPTYX", strict=True))
    | LATIN_KIN
)
"""Letter -> the letter of ASCII that it is taken for."""
NAMED = {
    "\u0131": "an i without a dot",
    "\u0130": "an I with a dot",
    "\u200b": "a zero-width space",
    "\ufeff": "a byte order mark",
    "\u00ad": "a soft hyphen",
}
"""What characters are called whose names in Unicode tell a reader less."""
MOST_SHOWN = 3
SCRIPTS = ("Cyrillic", "Greek")
"""Alphabets some letters of which look like those of the Latin one."""
DIGITS = {"o": "0", "O": "0", "\u043e": "0", "\u041e": "0", "l": "1", "I": "1", "|": "1", "\u0417": "3"}
"""Letter -> the digit that it is taken for."""


def latin(word: str) -> str:
    """A word in the letters that a reader sees in it: look-alikes put right, what is not shown left out."""
    if word.isascii():
        return word
    return "".join(_seen(character) for character in word)


def foreign(word: str) -> str:
    """Which characters of a word are not the letters that they look like, in words; empty where all are."""
    if word.isascii():
        return ""
    found = [(n, character) for n, character in enumerate(word, start=1) if _seen(character) != character]
    scripts = {_script(c) for c in word if _script(c) in SCRIPTS and _seen(c) == c}
    if scripts:  # a word of that language
        return f"it contains {' and '.join(sorted(scripts))} letters"
    told = [f"character {n} is {_called(character)}" for n, character in found[:MOST_SHOWN]]
    more = f", and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    return f"{', '.join(told)}{more}"


def _seen(character: str) -> str:
    """What a reader sees where a character stands."""
    if character.isascii():
        return character
    if character in ALIKE:
        return ALIKE[character]
    if unicodedata.category(character) == "Cf":
        return ""
    wide = unicodedata.normalize("NFKC", character)  # letters of full width, ligatures
    return wide if wide.isascii() and wide.isalnum() else character


def _called(character: str) -> str:
    """A character in words."""
    if character in NAMED:
        shown = f" ({character})" if character.isprintable() else ""
        return f"{NAMED[character]}{shown}"
    name = unicodedata.name(character, "")
    if unicodedata.category(character) == "Cf":
        return f"invisible ({name.lower()})"
    script = _script(character)
    return f"the {script} letter {character}" if script in SCRIPTS else f"{character} ({name.lower()})"


def _script(character: str) -> str:
    """`Cyrillic` and the like: the first word of a character's name."""
    return unicodedata.name(character, "").split(" ", 1)[0].capitalize()


def digits_seen(text: str) -> str:
    """A text with digits in place of the letters that look like them, and plain digits for those of other scripts."""
    return "".join(
        DIGITS.get(c) or (c if c.isascii() or not c.isdecimal() else str(unicodedata.digit(c))) for c in text
    )


def letters_for_digits(text: str) -> str:
    """Which letters of a text stand where digits belong, in words."""
    found = dict.fromkeys(c for c in text if c in DIGITS or (c.isdecimal() and not c.isascii()))
    told = [
        f"{DIGITS[c]} is written as {_letter(c)}" if c in DIGITS else f"{c} is a digit from another script"
        for c in found
    ]
    return ", ".join(told[:MOST_SHOWN])


def _letter(character: str) -> str:
    return _called(character) if not character.isascii() else f"the letter {character}" if character != "|" else "a bar"
