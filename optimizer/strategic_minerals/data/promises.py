"""Promises as planners write them: how much of a segment's demand is to be served while a disruption lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from ..core.errors import MisplacedError, shown

WRITTEN = "material:segment:level, with a level from 0 to 1 (80 % is 0.8), e.g. ndfeb_magnet:civil:0.8"
"""How a promise is written."""


@dataclass(frozen=True)
class Promise:
    """A share of a segment's demand that must be served while a disruption lasts."""

    material: str
    segment: str
    level: float
    per: str = "episode"
    """Counted over the whole episode, or in every `fiscal_year` of it."""

    @classmethod
    def parse(cls, text: str) -> Promise:
        """From `material:segment:level`. MisplacedError, a ValueError, if the text has another form or the level is no share."""
        try:
            material, segment, level = text.split(":")
            found = cls(material, segment, float(level))
        except ValueError:
            raise MisplacedError(("promises", shown(text), WRITTEN)) from None
        if not 0 <= found.level <= 1:  # nor NaN
            raise MisplacedError(("promises", shown(text), WRITTEN))
        return found


def _read(value: Any) -> Any:
    """A promise from text; anything else as it is. ValueError, which says how one is written."""
    try:
        return Promise.parse(value) if isinstance(value, str) else value
    except MisplacedError:
        raise ValueError(WRITTEN) from None


WrittenPromise = Annotated[Promise, BeforeValidator(_read, json_schema_input_type=str)]
"""A promise in an option of a verb: as an object, or as it is written."""
