"""What readers call the things of the tables: the one place where codes become names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .dataset import Dataset

ADJECTIVE = "(?:[a-z]?|an|ian|nian|ese|nese|ish)"
"""Endings that make `Japan` without its last letter `Japan`, `Japanese`, and so on."""


PAR = 1e-6
"""Premium up to which an offer is at the market price."""


@dataclass(frozen=True)
class Names:
    """Code -> name, by kind of thing. What has no name of its own, or is not in the tables, keeps its code."""

    materials: Mapping[str, str]
    countries: Mapping[str, str]
    producers: Mapping[str, str]
    """Activities and projects, with their country where the name does not tell it: `Narva phase 2 (Estonia)`."""
    hazards: Mapping[str, str]
    offers: Mapping[str, str]
    hit: Mapping[str, str]
    """Hazard -> codes of the countries whose sources it cuts, as the table has them."""

    @classmethod
    def of(cls, data: Dataset) -> Names:
        """The names of a dataset's tables."""
        countries = _apart((row.country, row.name) for row in data.rows("countries"))
        materials = _apart((row.material, row.name) for row in data.rows("materials"))
        made = [(row.activity, row.name, row.country) for row in data.rows("activities")]
        made += [(row.project, row.name, row.country) for row in data.rows("projects")]
        placed = {at: name for at, name in countries.items() if name != at}
        producers = _apart((key, _placed(name or key, placed.get(at, ""))) for key, name, at in made)
        return cls(
            materials,
            countries,
            producers,
            _apart((row.hazard, row.name) for row in data.rows("hazards")),
            _lots(
                (
                    row.offer,
                    _offered(materials.get(row.material, row.material), producers.get(row.source_producer, "")),
                    row.premium_share,
                )
                for row in data.rows("offers")
            ),
            {row.hazard: row.countries for row in data.rows("hazards")},
        )

    def material(self, code: str) -> str:
        """A material."""
        return self.materials.get(code, code)

    def country(self, code: str) -> str:
        """A country."""
        return self.countries.get(code, code)

    def producer(self, code: str) -> str:
        """An activity or a project, with its country."""
        return self.producers.get(code, code)

    def hazard(self, code: str) -> str:
        """A hazard."""
        return self.hazards.get(code, code)

    def any(self, code: str) -> str:
        """Whatever of the tables has this code."""
        for known in (self.materials, self.producers, self.hazards, self.countries, self.offers):
            if code in known:
                return known[code]
        return code

    def item(self, said: str) -> str:
        """Something that a plan may choose, by its kind and code as `explain` takes them: its name, then these in brackets.

        `project narva_2: loan` -> `Narva phase 2 (Estonia) [project narva_2: loan]`.
        """
        kind, _, code = said.partition(" ")
        key = code.partition(": ")[0]
        if kind == "floor":
            found = max((material for material in self.materials if f"-{material}-" in f"-{code}"), key=len, default="")
            name = self.material(found)
            return said if name == found else f"price floor for {name} [{said}]"
        name = {"project": self.producers, "contract": self.producers, "offer": self.offers}.get(kind, {}).get(key, key)
        return said if name.startswith(key) else f"{name} [{said}]"

    def chosen(self, said: str) -> str:
        """The same for readers who need no code: `Narva phase 2 (Estonia): loan`, `offtake from Gallium (Canada)`."""
        kind, _, code = said.partition(" ")
        key, _, package = code.partition(": ")
        known = {"project": self.producers, "contract": self.producers, "stock": self.materials}.get(kind, {})
        name = known.get(key, key)
        if name == key:
            return self.item(said)
        of = {"contract": "offtake from ", "stock": "stock of "}.get(kind, "")
        return f"{of}{name}{f': {package}' if package else ''}"


UNNAMED = Names({}, {}, {}, {}, {}, {})
"""Where no names are known: everything keeps its code."""


def _apart(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Code -> name; a name that several have gets its code in brackets."""
    named = {key: name or key for key, name in pairs}
    times = Counter(named.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in named.items()}


def _lots(offers: Iterable[tuple[str, str, float]]) -> dict[str, str]:
    """Offer -> name; where one seller makes several offers of a material, each is a lot with its own price.

    offers: code, name of what is offered and by whom, premium as a share of the market price.
    """
    known = list(offers)
    of: dict[str, list[tuple[float, str]]] = {}
    for key, name, premium in known:
        of.setdefault(name, []).append((premium, key))
    numbers = {key: n for lots in of.values() for n, (_, key) in enumerate(sorted(lots), 1)}
    return {
        key: name if len(of[name]) == 1 else f"{name}, lot {numbers[key]}, {_step(premium)}"
        for key, name, premium in known
    }


def _step(premium: float) -> str:
    """How the price of an offer compares with the market's."""
    if abs(premium) < PAR:
        return "at the market price"
    return f"{100 * abs(premium):.3g}% {'above' if premium > 0 else 'below'} the market price"


def _placed(name: str, country: str) -> str:
    """A producer's name with its country, unless the name tells it already or the country has none."""
    stem = re.escape(country[:-1])
    if country and name.lower().endswith(f", {country.lower()}"):
        return f"{name[: -len(country) - 2]} ({country})"
    told = country in name or (country.isalpha() and re.search(rf"\b{stem}{ADJECTIVE}\b", name))
    return name if told else f"{name} ({country})"


def _offered(material: str, seller: str) -> str:
    """What an offer gives, and who sells it; an empty seller: none of the tables' producers."""
    return seller if material in seller else f"{material} from {seller or 'other suppliers'}"
