"""Which series of the USGS release are which rows of the tables, and what is known to be wrong in a published file."""
# ruff: noqa: E501 - names as USGS prints them

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """Series of a release that are one mineral of a table."""

    table: str
    """`production`, `reserves` or `import_shares`."""
    mineral: str
    form: str
    """Stage of production, or form of imports; empty for reserves."""
    basis: str
    """What one tonne consists of."""
    chapter: str
    commodity: str
    """In small letters."""
    details: tuple[str, ...]
    """Series that are added up by country and year; a star at the end stands for any rest."""


_ROWS = """
production | rare_earths | mine | REO equivalent | RARE EARTHS | rare earths | Mine production
production | gallium | refined | Ga content, primary low-purity | GALLIUM | gallium | Primary production
production | antimony | mine | Sb content | ANTIMONY | antimony | Mine production
production | tungsten | mine | W content | TUNGSTEN | tungsten | Mine production
production | cobalt | mine | Co content | COBALT | cobalt | Mine production
production | lithium | mine | Li content | LITHIUM | lithium | Mine production
production | graphite | mine | gross weight natural graphite | GRAPHITE (NATURAL) | graphite (natural) | Mine production
production | nickel | mine | Ni content | NICKEL | nickel | Mine production
production | manganese | mine | Mn content | MANGANESE | manganese | Mine production
production | titanium_sponge | refined | titanium sponge metal | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Titanium sponge metal production
production | tantalum | mine | Ta content | TANTALUM | tantalum | Mine production
production | niobium | mine | Nb content | NIOBIUM (COLUMBIUM) | niobium (columbium) | Mine production
production | vanadium | mine | V content | VANADIUM | vanadium | Mine production
production | bismuth | refined | refinery Bi | BISMUTH | bismuth | Refinery production
production | indium | refined | refinery In | INDIUM | indium | Refinery production
production | tellurium | refined | refinery Te | TELLURIUM | tellurium | Refinery production + Refinery production: concentrate
production | magnesium | refined | primary Mg metal | MAGNESIUM METAL | magnesium metal | Smelter production
production | palladium | mine | Pd content | PLATINUM-GROUP METALS | palladium | Mine production: Palladium
production | fluorspar | mine | gross weight | FLUORSPAR | fluorspar | Mine production
production | chromium | mine | chromite ore gross weight | CHROMIUM | chromium | Mine production
production | beryllium | mine | Be content | BERYLLIUM | beryllium | Mine production
production | arsenic | refined | As trioxide etc. | ARSENIC | arsenic | Production (arsenic trioxide, gross weight)
production | zirconium | mine | gross weight of concentrates | ZIRCONIUM AND HAFNIUM | zirconium | Zirconium mineral concentrates, mine production (thousand metric tons, gross weight)
production | rhenium | mine | Re content | RHENIUM | rhenium | Mine production
production | tin | mine | Sn content | TIN | tin | Mine production
production | aluminum | refined | primary smelter Al | ALUMINUM | aluminum | Smelter production
production | zinc | mine | Zn content | ZINC | zinc | Mine production
production | copper | refined | refinery Cu | COPPER | copper | Refinery production
production | silver | mine | Ag content | SILVER | silver | Mine production
production | silicon | refined | gross weight of ferrosilicon and silicon metal | SILICON | silicon | Ferrosilicon + Silicon metal
production | molybdenum | mine | Mo content | MOLYBDENUM | molybdenum | Mine production
reserves | rare_earths |  | REO equivalent | RARE EARTHS | rare earths | Reserves
reserves | antimony |  | Sb content | ANTIMONY | antimony | Reserves
reserves | tungsten |  | W content | TUNGSTEN | tungsten | Reserves
reserves | cobalt |  | Co content | COBALT | cobalt | Reserves
reserves | lithium |  | Li content | LITHIUM | lithium | Reserves
reserves | graphite |  | gross weight natural graphite | GRAPHITE (NATURAL) | graphite (natural) | Reserves
reserves | nickel |  | Ni content | NICKEL | nickel | Reserves
reserves | manganese |  | Mn content | MANGANESE | manganese | Reserves
reserves | tantalum |  | Ta content | TANTALUM | tantalum | Reserves
reserves | niobium |  | Nb content | NIOBIUM (COLUMBIUM) | niobium (columbium) | Reserves
reserves | vanadium |  | V content | VANADIUM | vanadium | Reserves
reserves | palladium |  | all platinum-group metals | PLATINUM-GROUP METALS | platinum-group metals | PGM reserves
reserves | fluorspar |  | gross weight | FLUORSPAR | fluorspar | Reserves
reserves | chromium |  | chromite ore gross weight | CHROMIUM | chromium | Reserves: Ore
reserves | rhenium |  | Re content | RHENIUM | rhenium | Reserves
reserves | tin |  | Sn content | TIN | tin | Reserves
reserves | zinc |  | Zn content | ZINC | zinc | Reserves
reserves | copper |  | Cu content of ore | COPPER | copper | Reserves
reserves | silver |  | Ag content | SILVER | silver | Reserves
reserves | molybdenum |  | Mo content | MOLYBDENUM | molybdenum | Reserves (thousand metric tons)
import_shares | rare_earths | compounds and metals |  | RARE EARTHS | rare earths | Rare-earth compounds and metals
import_shares | terbium | compounds and metals |  | RARE EARTHS (Heavy) | terbium | Terbium compounds and metals
import_shares | holmium | compounds and metals |  | RARE EARTHS (Heavy) | holmium | Holmium compounds and metals
import_shares | lutetium | compounds and metals |  | RARE EARTHS (Heavy) | lutetium | Lutetium compounds and metals
import_shares | erbium | compounds and metals |  | RARE EARTHS (Heavy) | erbium | Erbium compounds and metals
import_shares | ytterbium | compounds and metals |  | RARE EARTHS (Heavy) | ytterbium | Ytterbium compounds and metals
import_shares | yttrium | all |  | YTTRIUM | yttrium | All
import_shares | scandium | oxide |  | SCANDIUM | scandium | All
import_shares | gallium | metal |  | GALLIUM | gallium | Metal
import_shares | germanium | metal + dioxide Ge content |  | GERMANIUM | germanium | Combined total
import_shares | antimony | total metal and oxide |  | ANTIMONY | antimony | Total metal and oxide
import_shares | tungsten | all forms |  | TUNGSTEN | tungsten | Ores, concentrates, and other forms
import_shares | cobalt | metal, oxide and salts |  | COBALT | cobalt | Metal, oxide, and salts
import_shares | lithium | all |  | LITHIUM | lithium | All
import_shares | graphite | all |  | GRAPHITE (NATURAL) | graphite (natural) | All
import_shares | nickel | primary |  | NICKEL | nickel | Primary nickel
import_shares | manganese | Mn contained in principal imports |  | MANGANESE | manganese | Manganese contained in principal manganese imports
import_shares | titanium_sponge | sponge metal |  | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Titanium Sponge Metal
import_shares | tantalum | total |  | TANTALUM | tantalum | Total
import_shares | niobium | total |  | NIOBIUM (COLUMBIUM) | niobium (columbium) | Total imports
import_shares | vanadium | total |  | VANADIUM | vanadium | Total
import_shares | bismuth | all |  | BISMUTH | bismuth | All
import_shares | indium | all |  | INDIUM | indium | All
import_shares | tellurium | all |  | TELLURIUM | tellurium | All
import_shares | magnesium | combined |  | MAGNESIUM METAL | magnesium metal | Combined total (includes magnesium content of alloys, metal, powder, scrap, sheet, and other)
import_shares | palladium | all |  | PLATINUM-GROUP METALS | palladium | Palladium
import_shares | platinum | all |  | PLATINUM-GROUP METALS | platinum | Platinum
import_shares | fluorspar | all |  | FLUORSPAR | fluorspar | All
import_shares | chromium | total |  | CHROMIUM | chromium | Total imports
import_shares | beryllium | all |  | BERYLLIUM | beryllium | All
import_shares | arsenic | all forms |  | ARSENIC | arsenic | All forms of arsenic
import_shares | hafnium | unwrought |  | ZIRCONIUM AND HAFNIUM | hafnium | Hafnium, unwrought
import_shares | zirconium | ores and concentrates |  | ZIRCONIUM AND HAFNIUM | zirconium | Zirconium ores and concentrates
import_shares | rhenium | total |  | RHENIUM | rhenium | Total imports
import_shares | tin | refined |  | TIN | tin | Refined tin
import_shares | aluminum | crude and semi-fabricated |  | ALUMINUM | aluminum | All
import_shares | zinc | refined metal |  | ZINC | zinc | Refined metal
import_shares | copper | refined |  | COPPER | copper | Refined copper
import_shares | silver | all |  | SILVER | silver | All
import_shares | silicon | total |  | SILICON | silicon | Total
import_shares | molybdenum | total |  | MOLYBDENUM | molybdenum | Total
production | platinum | mine | Pt content | PLATINUM-GROUP METALS | platinum | Mine production: Platinum
production | barite | mine | gross weight | BARITE | barite | Mine production
production | boron | mine | gross weight in the form that each country reports | BORON | boron | Production—*
production | lead | mine | Pb content | LEAD | lead | Mine production
production | phosphate | mine | phosphate rock, gross weight | PHOSPHATE ROCK | phosphate rock | Mine production
production | potash | mine | K2O equivalent | POTASH | potash | Mine production
reserves | barite |  | gross weight | BARITE | barite | Reserves
reserves | boron |  | gross weight in the form that each country reports | BORON | boron | Reserves*
reserves | lead |  | Pb content | LEAD | lead | Reserves
reserves | phosphate |  | phosphate rock, gross weight | PHOSPHATE ROCK | phosphate rock | Reserves
reserves | potash |  | K2O equivalent | POTASH | potash | Reserves: K2O equivalent
reserves | aluminum |  | bauxite, dry weight | BAUXITE AND ALUMINA | bauxite | Bauxite reserves
import_shares | barite | all |  | BARITE | barite | All
import_shares | boron | all forms |  | BORON | boron | All forms
import_shares | lead | refined metal |  | LEAD | lead | Refined metal
import_shares | phosphate | all |  | PHOSPHATE ROCK | phosphate rock | All
import_shares | potash | all |  | POTASH | potash | All
"""
"""Table | mineral | stage or form | basis | chapter | commodity | series + series."""


def _series() -> Iterator[Series]:
    for line in _ROWS.strip().splitlines():
        table, mineral, form, basis, chapter, commodity, details = (part.strip() for part in line.split(" | "))
        yield Series(table, mineral, form, basis, chapter, commodity, tuple(details.split(" + ")))


SERIES = tuple(_series())

UNIT_ERRORS: dict[tuple[str, str, str], float] = {
    ("MCS2026", "VANADIUM", "Reserves"): 1e3,
    ("MCS2025", "VANADIUM", "Reserves"): 1e3,
    ("MCS2025", "MOLYBDENUM", "Reserves"): 1e3,
}
"""(edition, chapter, statistic) -> factor on the printed unit. Reserves of vanadium, and in 2025 of molybdenum, are labelled tons and
are thousand tons."""

CORRECTED: dict[tuple[str, str, str, str], float] = {
    ("MCS2026", "RARE EARTHS", "Reserves", "BRA"): 11e6,
    ("MCS2026", "RARE EARTHS", "Reserves", "WLD"): 75e6,
}
"""(edition, chapter, statistic, country) -> tonnes. Version 1.3 of the sheet (27 May 2026) corrected what the file still has."""
