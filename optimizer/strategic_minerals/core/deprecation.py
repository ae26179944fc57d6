"""Names that are still read or called, and will not be for ever: who uses one is told what to use instead."""

from __future__ import annotations

import warnings


def warn_renamed(former: str, name: str, *, stacklevel: int = 2) -> None:
    """Warn of a former name, as a DeprecationWarning that says what to use instead.

    stacklevel: as of `warnings.warn`, counted from whoever calls this function.
    """
    warnings.warn(renamed(former, name), DeprecationWarning, stacklevel=stacklevel + 1)


def renamed(former: str, name: str) -> str:
    """What is said of a former name."""
    return f"`{former}` is the former name of `{name}`, and will be read until version 1.0: use `{name}`"
