"""Which statistics of the United States in the USGS release are which cells of `minerals`.

Made by comparing the shipped table with the file of 2026, cell by cell; a test holds the two together. What has no line here does not
come from the file: `ELSEWHERE` says whence.
"""
# ruff: noqa: E501 - names as USGS prints them

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """Series of the release that are one cell of `minerals`."""

    column: str
    mineral: str
    chapter: str
    commodity: str
    """In small letters."""
    details: tuple[str, ...]
    """Series that are added up."""


_ROWS = """
consumption_t | rare_earths | RARE EARTHS | rare earths | Consumption, apparent, compounds and metals
imports_t | rare_earths | RARE EARTHS | rare earths | Imports: Compounds ++ Imports: Metals: Ferrocerium, alloys ++ Imports: Metals: Rare-earth metals and alloys
primary_t | rare_earths | RARE EARTHS | rare earths | Production: Compounds and metals
net_import_reliance_pct | rare_earths | RARE EARTHS | rare earths | Net import reliance as a percentage of apparent consumption: Compounds and metals
imports_t | heavy_rare_earths | RARE EARTHS (Heavy) | rare earths (heavy) | Imports, compounds and metals
net_import_reliance_pct | heavy_rare_earths | RARE EARTHS (Heavy) | rare earths (heavy) | Net import reliance as a percentage of apparent consumption, compounds and metals
consumption_t | yttrium | YTTRIUM | yttrium | Consumption, apparent
imports_t | yttrium | YTTRIUM | yttrium | Imports for consumption, yttrium, alloys, compounds, and metal
exports_t | yttrium | YTTRIUM | yttrium | Exports, compounds
net_import_reliance_pct | yttrium | YTTRIUM | yttrium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | yttrium | YTTRIUM | yttrium | Price, average, dollars per kilogram: Y2O3, minimum 99.999% purity
imports_t | scandium | SCANDIUM | scandium | Imports, scandium oxide
net_import_reliance_pct | scandium | SCANDIUM | scandium | Net import reliance as a percentage of apparent consumption
consumption_t | gallium | GALLIUM | gallium | Consumption, reported
imports_t | gallium | GALLIUM | gallium | Imports for consumption: Metal
primary_t | gallium | GALLIUM | gallium | Production, primary
net_import_reliance_pct | gallium | GALLIUM | gallium | Net import reliance as a percentage of reported consumption
price_usd_per_kg | gallium | GALLIUM | gallium | Price, average unit value of imports, dollars per kilogram
imports_t | germanium | GERMANIUM | germanium | Imports for consumption: Germanium metal ++ Imports for consumption: Germanium dioxide
net_import_reliance_pct | germanium | GERMANIUM | germanium | Net import reliance as a percentage of estimated consumption
price_usd_per_kg | germanium | GERMANIUM | germanium | Price, annual average, dollars per kilogram: Germanium metal
consumption_t | antimony | ANTIMONY | antimony | Consumption, apparent
imports_t | antimony | ANTIMONY | antimony | Imports for consumption: Ore and concentrates ++ Imports for consumption: Oxide ++ Imports for consumption: Unwrought, powder
exports_t | antimony | ANTIMONY | antimony | Exports: Oxide ++ Exports: Unwrought, powder
primary_t | antimony | ANTIMONY | antimony | Production, Smelter: Primary
secondary_t | antimony | ANTIMONY | antimony | Production, Smelter: Secondary
net_import_reliance_pct | antimony | ANTIMONY | antimony | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | antimony | ANTIMONY | antimony | Price, metal, average, dollars per pound
imports_t | tungsten | TUNGSTEN | tungsten | Imports for consumption: Ores and concentrates ++ Imports for consumption: Other forms
exports_t | tungsten | TUNGSTEN | tungsten | Exports: Ores and concentrates ++ Exports: Other forms
primary_t | tungsten | TUNGSTEN | tungsten | Production: Mine
net_import_reliance_pct | tungsten | TUNGSTEN | tungsten | Net import reliance as a percentage of apparent consumption
consumption_t | cobalt | COBALT | cobalt | Consumption (includes secondary): Apparent
imports_t | cobalt | COBALT | cobalt | Imports for consumption
exports_t | cobalt | COBALT | cobalt | Exports
primary_t | cobalt | COBALT | cobalt | Production: Mine
secondary_t | cobalt | COBALT | cobalt | Production: Secondary
net_import_reliance_pct | cobalt | COBALT | cobalt | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | cobalt | COBALT | cobalt | Price, average, dollars per pound: U.S. spot, cathode
imports_t | lithium | LITHIUM | lithium | Imports for consumption
exports_t | lithium | LITHIUM | lithium | Exports
net_import_reliance_pct | lithium | LITHIUM | lithium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | lithium | LITHIUM | lithium | Price, annual average-real, battery-grade lithium carbonate, dollars per metric ton
consumption_t | graphite | GRAPHITE (NATURAL) | graphite (natural) | Consumption, apparent
imports_t | graphite | GRAPHITE (NATURAL) | graphite (natural) | Imports for consumption
exports_t | graphite | GRAPHITE (NATURAL) | graphite (natural) | Exports
primary_t | graphite | GRAPHITE (NATURAL) | graphite (natural) | Production, mine
net_import_reliance_pct | graphite | GRAPHITE (NATURAL) | graphite (natural) | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | graphite | GRAPHITE (NATURAL) | graphite (natural) | Price, average unit value of imports, dollars per metric ton at foreign ports: Flake
consumption_t | nickel | NICKEL | nickel | Consumption: Apparent, primary
imports_t | nickel | NICKEL | nickel | Imports: Primary
exports_t | nickel | NICKEL | nickel | Exports: Primary
primary_t | nickel | NICKEL | nickel | Production: Mine
net_import_reliance_pct | nickel | NICKEL | nickel | Net import reliance as a percentage of total apparent consumption
price_usd_per_kg | nickel | NICKEL | nickel | Price, average annual, London Metal Exchange (LME), cash: Dollars per metric ton
consumption_t | manganese | MANGANESE | manganese | Consumption, apparent, manganese content
primary_t | manganese | MANGANESE | manganese | Production, mine
net_import_reliance_pct | manganese | MANGANESE | manganese | Net import reliance as a percentage of apparent consumption, manganese content
consumption_t | titanium_sponge | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Consumption, apparent
imports_t | titanium_sponge | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Imports for consumption
exports_t | titanium_sponge | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Exports
net_import_reliance_pct | titanium_sponge | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | titanium_sponge | TITANIUM AND TITANIUM DIOXIDE | titanium sponge metal | Price, dollars per kilogram
consumption_t | tantalum | TANTALUM | tantalum | Consumption, apparent
imports_t | tantalum | TANTALUM | tantalum | Imports for consumption
exports_t | tantalum | TANTALUM | tantalum | Exports
primary_t | tantalum | TANTALUM | tantalum | Production: Mine
net_import_reliance_pct | tantalum | TANTALUM | tantalum | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | tantalum | TANTALUM | tantalum | Price, tantalite, annual average, dollars per kilogram of tantalum oxide (Ta2O5) content
consumption_t | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Consumption: Apparent
imports_t | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Imports for consumption
exports_t | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Exports
primary_t | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Production, mine
net_import_reliance_pct | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | niobium | NIOBIUM (COLUMBIUM) | niobium (columbium) | Price, average unit value, ferroniobium, dollars per kilogram
consumption_t | vanadium | VANADIUM | vanadium | Consumption: Apparent
primary_t | vanadium | VANADIUM | vanadium | Production from primary ore and concentrate
secondary_t | vanadium | VANADIUM | vanadium | Production from ash, residues, and spent catalysts
net_import_reliance_pct | vanadium | VANADIUM | vanadium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | vanadium | VANADIUM | vanadium | Price, average, vanadium pentoxide, dollars per pound
consumption_t | bismuth | BISMUTH | bismuth | Consumption: Apparent
imports_t | bismuth | BISMUTH | bismuth | Imports for consumption, metal, alloys, and scrap: Total
exports_t | bismuth | BISMUTH | bismuth | Exports, metal, alloys, and scrap: Total
primary_t | bismuth | BISMUTH | bismuth | Production: Refinery
secondary_t | bismuth | BISMUTH | bismuth | Production: Secondary (scrap)
net_import_reliance_pct | bismuth | BISMUTH | bismuth | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | bismuth | BISMUTH | bismuth | Price, average, dollars per pound
consumption_t | indium | INDIUM | indium | Consumption, estimated
imports_t | indium | INDIUM | indium | Imports for consumption
primary_t | indium | INDIUM | indium | Production, refinery
net_import_reliance_pct | indium | INDIUM | indium | Net import reliance as a percentage of estimated consumption
price_usd_per_kg | indium | INDIUM | indium | Price, annual average, dollars per kilogram: U.S. warehouse, free on board
imports_t | tellurium | TELLURIUM | tellurium | Imports for consumption
exports_t | tellurium | TELLURIUM | tellurium | Exports
net_import_reliance_pct | tellurium | TELLURIUM | tellurium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | tellurium | TELLURIUM | tellurium | Price, annual average, dollars per kilogram: United States
consumption_t | magnesium | MAGNESIUM METAL | magnesium metal | Consumption: Reported, primary
imports_t | magnesium | MAGNESIUM METAL | magnesium metal | Imports for consumption
exports_t | magnesium | MAGNESIUM METAL | magnesium metal | Exports
secondary_t | magnesium | MAGNESIUM METAL | magnesium metal | Production: Secondary (new and old scrap)
net_import_reliance_pct | magnesium | MAGNESIUM METAL | magnesium metal | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | magnesium | MAGNESIUM METAL | magnesium metal | Price, annual average: U.S. spot Western, dollars per pound
consumption_t | palladium | PLATINUM-GROUP METALS | palladium | Consumption, apparent: Palladium
imports_t | palladium | PLATINUM-GROUP METALS | palladium | Imports for consumption: Palladium
exports_t | palladium | PLATINUM-GROUP METALS | palladium | Exports: Palladium
primary_t | palladium | PLATINUM-GROUP METALS | palladium | Mine production: Palladium
net_import_reliance_pct | palladium | PLATINUM-GROUP METALS | palladium | Net import reliance as a percentage of apparent consumption: Palladium
price_usd_per_kg | palladium | PLATINUM-GROUP METALS | palladium | Price, dollars per troy ounce: Palladium
consumption_t | platinum | PLATINUM-GROUP METALS | platinum | Consumption, apparent: Platinum
imports_t | platinum | PLATINUM-GROUP METALS | platinum | Imports for consumption: Platinum
exports_t | platinum | PLATINUM-GROUP METALS | platinum | Exports: Platinum
primary_t | platinum | PLATINUM-GROUP METALS | platinum | Mine production: Platinum
net_import_reliance_pct | platinum | PLATINUM-GROUP METALS | platinum | Net import reliance as a percentage of apparent consumption: Platinum
price_usd_per_kg | platinum | PLATINUM-GROUP METALS | platinum | Price, dollars per troy ounce: Platinum
consumption_t | fluorspar | FLUORSPAR | fluorspar | Consumption, apparent
imports_t | fluorspar | FLUORSPAR | fluorspar | Imports for consumption: Total fluorspar imports
exports_t | fluorspar | FLUORSPAR | fluorspar | Exports, fluorspar, all grades
net_import_reliance_pct | fluorspar | FLUORSPAR | fluorspar | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | fluorspar | FLUORSPAR | fluorspar | Price, average unit value of imports, cost, insurance, and freight, dollars per metric ton: Acid grade
consumption_t | chromium | CHROMIUM | chromium | Consumption (includes recycling): Apparent
imports_t | chromium | CHROMIUM | chromium | Imports for consumption
exports_t | chromium | CHROMIUM | chromium | Exports
primary_t | chromium | CHROMIUM | chromium | Production: Mine
secondary_t | chromium | CHROMIUM | chromium | Production: Secondary
net_import_reliance_pct | chromium | CHROMIUM | chromium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | chromium | CHROMIUM | chromium | Price: Ferrochromium (chromium content), dollars per pound
consumption_t | beryllium | BERYLLIUM | beryllium | Consumption: Apparent
imports_t | beryllium | BERYLLIUM | beryllium | Imports for consumption
exports_t | beryllium | BERYLLIUM | beryllium | Exports
primary_t | beryllium | BERYLLIUM | beryllium | Production, mine shipments
price_usd_per_kg | beryllium | BERYLLIUM | beryllium | Price, annual average unit value, beryllium-copper master alloy, dollars per kilogram of contained beryllium
consumption_t | arsenic | ARSENIC | arsenic | Consumption, estimated, all forms of arsenic
imports_t | arsenic | ARSENIC | arsenic | Imports for consumption: Total
exports_t | arsenic | ARSENIC | arsenic | Exports, arsenic metal
net_import_reliance_pct | arsenic | ARSENIC | arsenic | Net import reliance as a percentage of estimated consumption, all forms of arsenic
price_usd_per_kg | arsenic | ARSENIC | arsenic | Price, metal, annual average, U.S. warehouse, dollars per pound
imports_t | hafnium | ZIRCONIUM AND HAFNIUM | hafnium | Imports: Hafnium, unwrought
exports_t | hafnium | ZIRCONIUM AND HAFNIUM | hafnium | Exports: Hafnium, unwrought
price_usd_per_kg | hafnium | ZIRCONIUM AND HAFNIUM | hafnium | Price: Hafnium, unwrought, dollars per kilogram
consumption_t | rhenium | RHENIUM | rhenium | Consumption, apparent
imports_t | rhenium | RHENIUM | rhenium | Imports for consumption: Rhenium, unwrought and powders ++ Imports for consumption: Ammonium perrhenate
exports_t | rhenium | RHENIUM | rhenium | Exports
primary_t | rhenium | RHENIUM | rhenium | Production
net_import_reliance_pct | rhenium | RHENIUM | rhenium | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | rhenium | RHENIUM | rhenium | Price, average value, gross weight, dollars per kilogram: Metal, 99.99% pure
consumption_t | tin | TIN | tin | Consumption, apparent, refined
imports_t | tin | TIN | tin | Imports for consumption: Refined
exports_t | tin | TIN | tin | Exports: Refined
secondary_t | tin | TIN | tin | Production, secondary: Old scrap
net_import_reliance_pct | tin | TIN | tin | Net import reliance as a percentage of apparent consumption, refined tin
price_usd_per_kg | tin | TIN | tin | Price, average, cents per pound: New York dealer
consumption_t | aluminum | ALUMINUM | aluminum | Consumption, apparent
imports_t | aluminum | ALUMINUM | aluminum | Imports for consumption: Crude and semi-fabricated products
exports_t | aluminum | ALUMINUM | aluminum | Exports: Crude and semi-fabricated products
primary_t | aluminum | ALUMINUM | aluminum | Production: Primary
secondary_t | aluminum | ALUMINUM | aluminum | Production: Secondary (from old scrap)
net_import_reliance_pct | aluminum | ALUMINUM | aluminum | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | aluminum | ALUMINUM | aluminum | Price, ingot, average U.S. market (spot), cents per pound
consumption_t | zinc | ZINC | zinc | Consumption, apparent, refined zinc
imports_t | zinc | ZINC | zinc | Imports for consumption: Refined zinc
exports_t | zinc | ZINC | zinc | Exports: Refined zinc
primary_t | zinc | ZINC | zinc | Production: Refined zinc,
net_import_reliance_pct | zinc | ZINC | zinc | Net import reliance as a percentage of apparent consumption: Refined zinc
price_usd_per_kg | zinc | ZINC | zinc | Price, average, cents per pound: North American
consumption_t | copper | COPPER | copper | Consumption: Apparent, primary refined copper and copper from old scrap
imports_t | copper | COPPER | copper | Imports for consumption: Refined
exports_t | copper | COPPER | copper | Exports: Refined
primary_t | copper | COPPER | copper | Production, Refinery: Primary (from ore)
secondary_t | copper | COPPER | copper | Copper recovered from old (post-consumer) scrap
net_import_reliance_pct | copper | COPPER | copper | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | copper | COPPER | copper | Price, annual average, cents per pound: U.S. producer, cathode (COMEX + premium)
consumption_t | silver | SILVER | silver | Consumption, apparent
imports_t | silver | SILVER | silver | Imports for consumption
exports_t | silver | SILVER | silver | Exports
primary_t | silver | SILVER | silver | Production: Mine
secondary_t | silver | SILVER | silver | Production: Refinery: Secondary (new and old scrap)
net_import_reliance_pct | silver | SILVER | silver | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | silver | SILVER | silver | Price, bullion, average, dollars per troy ounce
imports_t | silicon | SILICON | silicon | Imports for consumption: Ferrosilicon, all grades ++ Imports for consumption: Silicon metal
exports_t | silicon | SILICON | silicon | Exports: Ferrosilicon, all grades ++ Exports: Silicon metal
net_import_reliance_pct | silicon | SILICON | silicon | Net import reliance as a percentage of apparent consumption: Total
price_usd_per_kg | silicon | SILICON | silicon | Price, average, cents per pound of silicon: Silicon metal
consumption_t | molybdenum | MOLYBDENUM | molybdenum | Consumption: Apparent
imports_t | molybdenum | MOLYBDENUM | molybdenum | Imports for consumption total: Ore and concentrates ++ Imports for consumption total: Primary products
exports_t | molybdenum | MOLYBDENUM | molybdenum | Exports: Ore and concentrates ++ Exports: Primary products
primary_t | molybdenum | MOLYBDENUM | molybdenum | Production, mine
price_usd_per_kg | molybdenum | MOLYBDENUM | molybdenum | Price, average, dollars per kilogram
consumption_t | zirconium | ZIRCONIUM AND HAFNIUM | zirconium | Consumption, apparent, zirconium ores and concentrates (ZrO2 content)
imports_t | zirconium | ZIRCONIUM AND HAFNIUM | zirconium | Imports: Zirconium ores and concentrates (ZrO2 content)
exports_t | zirconium | ZIRCONIUM AND HAFNIUM | zirconium | Exports: Zirconium ores and concentrates (ZrO2 content)
net_import_reliance_pct | zirconium | ZIRCONIUM AND HAFNIUM | zirconium | Net import reliance as a percentage of apparent consumption: Zirconium ores and concentrates
price_usd_per_kg | zirconium | ZIRCONIUM AND HAFNIUM | zirconium and hafnium | Price: Zircon, dollars per metric ton (gross weight): Premium grade, cost, insurance, and freight, China
price_usd_per_kg | neodymium | RARE EARTHS | neodymium | Price, average, dollars per kilogram: Neodymium oxide, 99.5% minimum
price_usd_per_kg | praseodymium | RARE EARTHS | praseodymium | Price, average, dollars per kilogram: Praseodymium oxide, 99.99% minimum
price_usd_per_kg | ndpr | RARE EARTHS | rare earths | Price, average, dollars per kilogram: Neodymium-praseodymium (NdPr) oxide, 99% minimum
price_usd_per_kg | dysprosium | RARE EARTHS (Heavy) | dysprosium | Price, average, dollars per kilogram: Dysprosium oxide, 99.5% minimum
price_usd_per_kg | terbium | RARE EARTHS (Heavy) | terbium | Price, average, dollars per kilogram: Terbium oxide, 99.99% minimum
price_usd_per_kg | samarium | RARE EARTHS | samarium | Price, average, dollars per kilogram: Samarium oxide, 99.5% minimum
price_usd_per_kg | lanthanum | RARE EARTHS | lanthanum | Price, average, dollars per kilogram: Lanthanum oxide, 99.5% minimum
price_usd_per_kg | cerium | RARE EARTHS | cerium | Price, average, dollars per kilogram: Cerium oxide, 99.5% minimum
price_usd_per_kg | europium | RARE EARTHS | europium | Price, average, dollars per kilogram: Europium oxide, 99.99% minimum
price_usd_per_kg | holmium | RARE EARTHS (Heavy) | holmium | Price, average, dollars per kilogram: Holmium oxide, 99.5% minimum
price_usd_per_kg | erbium | RARE EARTHS (Heavy) | erbium | Price, average, dollars per kilogram: Erbium oxide, 99.5%, minimum
price_usd_per_kg | ytterbium | RARE EARTHS (Heavy) | ytterbium | Price, average, dollars per kilogram: Ytterbium oxide, 99.99% minimum
price_usd_per_kg | iridium | PLATINUM-GROUP METALS | iridium | Price, dollars per troy ounce: Iridium
price_usd_per_kg | ruthenium | PLATINUM-GROUP METALS | ruthenium | Price, dollars per troy ounce: Ruthenium
imports_t | barite | BARITE | barite | Imports: For consumption
exports_t | barite | BARITE | barite | Exports
net_import_reliance_pct | barite | BARITE | barite | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | barite | BARITE | barite | Price, average unit value, ground, ex-works, dollars per metric ton
imports_t | boron | BORON | boron | Imports for consumption: Refined borax ++ Imports for consumption: Boric acid ++ Imports for consumption: Colemanite (calcium borates) ++ Imports for consumption: Ulexite (sodium borates)
exports_t | boron | BORON | boron | Exports: Boric acid ++ Exports: Refined borax
price_usd_per_kg | boron | BORON | boron | Price, average unit value of combined imports, cost, insurance, and freight, dollars per metric ton
consumption_t | lead | LEAD | lead | Consumption, apparent
imports_t | lead | LEAD | lead | Imports for consumption: Refined metal, unwrought
exports_t | lead | LEAD | lead | Exports: Refined metal, unwrought (gross weight)
primary_t | lead | LEAD | lead | Production: Primary refinery
secondary_t | lead | LEAD | lead | Production: Secondary refinery, old scrap
net_import_reliance_pct | lead | LEAD | lead | Net import reliance as a percentage of apparent consumption, refined metal
price_usd_per_kg | lead | LEAD | lead | Price, average, North American, cents per pound
consumption_t | phosphate | PHOSPHATE ROCK | phosphate rock | Consumption, apparent
imports_t | phosphate | PHOSPHATE ROCK | phosphate rock | Imports for consumption
primary_t | phosphate | PHOSPHATE ROCK | phosphate rock | Production, marketable
net_import_reliance_pct | phosphate | PHOSPHATE ROCK | phosphate rock | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | phosphate | PHOSPHATE ROCK | phosphate rock | Price, average value, f.o.b. mine, dollars per metric ton
consumption_t | potash | POTASH | potash | Consumption, apparent
imports_t | potash | POTASH | potash | Imports for consumption
exports_t | potash | POTASH | potash | Exports
primary_t | potash | POTASH | potash | Production, marketable
net_import_reliance_pct | potash | POTASH | potash | Net import reliance as a percentage of apparent consumption
price_usd_per_kg | potash | POTASH | potash | Price, average, f.o.b. mine, dollars per metric ton of K2O equivalent: All products
imports_t | rhodium | PLATINUM-GROUP METALS | rhodium | Imports for consumption: Rhodium
exports_t | rhodium | PLATINUM-GROUP METALS | rhodium | Exports: Rhodium
price_usd_per_kg | rhodium | PLATINUM-GROUP METALS | rhodium | Price, dollars per troy ounce: Rhodium
price_usd_per_kg | lutetium | RARE EARTHS (Heavy) | lutetium | Price, average, dollars per kilogram: Lutetium oxide, 99.99% minimum
price_usd_per_kg | gadolinium | RARE EARTHS | gadolinium | Price, average, dollars per kilogram: Gadolinium oxide, 99.99% minimum
exports_t | germanium | GERMANIUM | germanium | Exports: Germanium metal ++ Exports: Germanium dioxide
secondary_t | nickel | NICKEL | nickel | Consumption: Reported, secondary, purchased scrap
price_usd_per_kg | tungsten | TUNGSTEN | tungsten | Price, concentrate, average in-warehouse Rotterdam, dollars per dry metric ton unit of tungsten trioxide
price_usd_per_kg | manganese | MANGANESE | manganese | Price, average, manganese content, cost, insurance, and freight, China, dollars per metric ton unit
"""
"""Column | mineral | chapter | commodity | series ++ series."""


def _statistics() -> Iterator[Statistic]:
    for line in _ROWS.strip().splitlines():
        column, mineral, chapter, commodity, details = line.split(" | ")
        yield Statistic(column, mineral, chapter, commodity, tuple(details.split(" ++ ")))


STATISTICS = tuple(_statistics())

FROM_TRADE = ("scandium", "germanium", "tungsten", "lithium", "tellurium", "hafnium", "silicon")
"""Minerals of which the release prints no consumption: imports less exports stand for it."""

_COAL = "Energy Information Administration; USGS has no such chapter"
_URANIUM = "Energy Information Administration, in pounds; USGS has no such chapter"
FACTORS: Mapping[tuple[str, str], float] = {
    ("tungsten", "price_usd_per_kg"): 1 / 7.93,
    ("manganese", "price_usd_per_kg"): 0.1,
}
"""(mineral, column) -> kilograms in the unit of a price that names none: a metric ton unit of WO3 holds 7.93 kg of tungsten, one of
manganese is 10 kg."""
ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("heavy_rare_earths", "consumption_t"): "imports: the release prints no consumption and no exports",
    ("scandium", "price_usd_per_kg"): "a range in the file: its middle",
    ("beryllium", "net_import_reliance_pct"): "net exporter: printed E",
    ("molybdenum", "net_import_reliance_pct"): "net exporter: printed E",
    ("barite", "consumption_t"): "withheld: what grinders sold",
    ("boron", "consumption_t"): "withheld five times: imports stand for it, the least that is used",
    ("rhodium", "consumption_t"): "imports less exports, which trade statistics give in more digits",
    ("rhodium", "primary_t"): "World Mining Data: a by-product that the release does not print",
    ("rhodium", "net_import_reliance_pct"): "from the three figures above",
    **{
        ("metallurgical_coal", c): _COAL
        for c in ("consumption_t", "imports_t", "exports_t", "primary_t", "price_usd_per_kg")
    },
    **{
        ("uranium", c): _URANIUM
        for c in ("consumption_t", "imports_t", "primary_t", "net_import_reliance_pct", "price_usd_per_kg")
    },
}
"""(mineral, column) of cells that do not follow from the file -> why, or whence they are."""
