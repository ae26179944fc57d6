"""What files of the releases of 2022 to 2025 call the series of `usgs_series`, and which of their columns are cells of `minerals`.

Checked with the files at hand against the release of 2026, which prints the same years. Of other commodities nobody has looked at
the columns: their files are told as not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

STRAYS: Mapping[str, str] = {
    "gemanium": "germanium",
    "titaniumtitaniumdioxide": "titaniumandtitaniumdioxide",
    "rareee": "rareearths",
}
"""Commodities that no chapter begins with, letters alone: slips of the files, other spellings -> chapter."""
TYPES: Mapping[str, tuple[str, ...]] = {
    "titanium_sponge": ("spongemetal",),
    "arsenic": ("arsenictrioxide",),
    "zirconium": ("zirconium",),
    "boron": ("bor", "ulexite", "datolite"),
    "silicon": ("ferosilicon", "ferrosilicon", "siliconmetal"),
}
"""Minerals whose type of output is called otherwise than since 2026, letters alone. Ferrosilicon is counted in silicon content
until 2025, in gross weight since."""


BASES: Mapping[tuple[str, str], str] = {("production", "silicon"): "Si content of ferrosilicon, and silicon metal"}
"""(table, mineral) -> what one tonne consisted of until 2025, where that is another thing since."""


@dataclass(frozen=True)
class Salient:
    """Columns of a salient file that are one cell of `minerals`."""

    column: str
    mineral: str
    commodity: str
    """As the file prints it, in small letters."""
    columns: tuple[str, ...]
    """In small letters; added up."""
    editions: tuple[str, ...]
    """Editions whose file has these columns; none: all."""
    factor: float = 0.0
    """Tonnes in the unit where the name of a column misstates it; 0: as it says."""


_ROWS = """
consumption_t | rare_earths | rare earths | consump_compounds-metals_t
imports_t | rare_earths | rare earths | imports_compounds_t ++ imports_alloys_t ++ imports_metals_t
primary_t | rare_earths | rare earths | usprod_compounds-metals_t
net_import_reliance_pct | rare_earths | rare earths | nir_compounds-metals_t
consumption_t | palladium | platinum-group metals | consump_palladium_kg
imports_t | palladium | platinum-group metals | imports_palladium_kg
exports_t | palladium | platinum-group metals | exports_palladium_kg
primary_t | palladium | platinum-group metals | usprod_palladium_kg
net_import_reliance_pct | palladium | platinum-group metals | nir_palladium_pct
price_usd_per_kg | palladium | platinum-group metals | price_palladium_dto
consumption_t | platinum | platinum-group metals | consump_platinum_kg
imports_t | platinum | platinum-group metals | imports_platinum_kg
exports_t | platinum | platinum-group metals | exports_platinum_kg
primary_t | platinum | platinum-group metals | usprod_platinum_kg
net_import_reliance_pct | platinum | platinum-group metals | nir_platinum_pct
price_usd_per_kg | platinum | platinum-group metals | price_platinum_dto
imports_t | rhodium | platinum-group metals | imports_rhodium_kg
exports_t | rhodium | platinum-group metals | exports_rhodium_kg
price_usd_per_kg | rhodium | platinum-group metals | price_rhodium_dto
imports_t | barite | barite | imports_consumption_kt
exports_t | barite | barite | exports_kt
net_import_reliance_pct | barite | barite | nir_pct
price_usd_per_kg | barite | barite | price_dt
imports_t | boron | boron | imports_refined_kt ++ imports_h3bo3_kt ++ imports_colemanite_kt ++ imports_ulexite_kt
exports_t | boron | boron | exports_h3bo3_kt ++ exports_refined_kt
price_usd_per_kg | boron | boron | price_cif_dt
consumption_t | phosphate | phosphate rock | consump_kt
imports_t | phosphate | phosphate rock | imports_kt
primary_t | phosphate | phosphate rock | usprod_marketable_kt
net_import_reliance_pct | phosphate | phosphate rock | nir_pct
price_usd_per_kg | phosphate | phosphate rock | price_dt
consumption_t | potash | potash | consump_kt
imports_t | potash | potash | imports_kt
exports_t | potash | potash | exports_kt
primary_t | potash | potash | usprod_marketable_kt
net_import_reliance_pct | potash | potash | nir_pct
price_usd_per_kg | potash | potash | price_all_dt
consumption_t | lead | lead | consump_north_american_kt | MCS2024 MCS2025
imports_t | lead | lead | imports_concentrates_kt | MCS2024 MCS2025
exports_t | lead | lead | exports_kt | MCS2024 MCS2025
primary_t | lead | lead | usprod_refinery_secondary_kt | MCS2024 MCS2025
secondary_t | lead | lead | usprod_concentrates_kt | MCS2024 MCS2025
price_usd_per_kg | lead | lead | price_lme_ctslb | MCS2024 MCS2025
net_import_reliance_pct | lead | lead | nir_metal_pct
consumption_t | lead | lead | consump_t | MCS2022 MCS2023 | 1000
imports_t | lead | lead | imports_metal_kt | MCS2022 MCS2023
exports_t | lead | lead | exports_metal_kt | MCS2022 MCS2023
primary_t | lead | lead | usprod_refinery_primary_kt | MCS2022 MCS2023
secondary_t | lead | lead | usprod_refinery_secondary_kt | MCS2022 MCS2023
price_usd_per_kg | lead | lead | price_north_american_ctslb | MCS2022 MCS2023
"""
"""Column | mineral | commodity | column ++ column | editions | tonnes in the unit. The names of lead's columns are one place off in
2024 and 2025 (what is called `Imports_Concentrates` is metal, and so on), and its consumption of 2023 is called tonnes."""


def _salient() -> Iterator[Salient]:
    for line in _ROWS.strip().splitlines():
        column, mineral, commodity, columns, *rest = line.split(" | ")
        editions = tuple(rest[0].split()) if rest else ()
        factor = float(rest[1]) if len(rest) > 1 else 0.0
        yield Salient(column, mineral, commodity, tuple(columns.split(" ++ ")), editions, factor)


SALIENT = tuple(_salient())
