"""Unit conversions in one place: tables use USD/kg and tonnes, the model USD/t, results million USD.

Tonnes are always tonnes of contained material in the form that the material's row names.
"""

from __future__ import annotations

MONTHS_PER_YEAR = 12.0
DAYS_PER_YEAR = 365.0
"""Of a stock: days of cover count calendar days of a common year, as statutes on stocks do."""
MEAN_DAYS_PER_YEAR = 365.25
"""Of observed spans between dates, leap years included."""
KG_PER_T = 1000.0
USD_PER_MUSD = 1e6
LEAST_TIME_LIMIT_S = 1.0
"""Least limit of a solve [s]: so much it has however late it begins."""
LARGEST_NUMBER = 1e12
"""Numbers at or above this are refused in every file: HiGHS treats 1e20 as infinity, and no tonnage,
price or budget of a mineral comes near it."""
MUSD_PER_T = KG_PER_T / USD_PER_MUSD
"""Million USD per tonne that one USD/kg is."""
SMALL_T = 1e-6
"""Tonnes below this are the solver's rounding and are not shown as actions."""
