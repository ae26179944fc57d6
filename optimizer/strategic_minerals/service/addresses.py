"""Check the addresses that a request sets: each exists, none occurs twice, none lies inside another; and name faults by the
parts of the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..core.addresses import DEEPEST_ADDRESS, overlapping
from ..core.errors import Fault
from .wording import brief, place

EXAMPLE = "a field of the plan, e.g. budget.appropriation_musd"


def fields_set(raw: Any, where: str) -> Iterator[Fault]:
    """Faults of the addresses in `set`."""
    addresses = list(raw) if isinstance(raw, dict) else []
    for address in addresses:
        parts = address.split(".")
        if not all(part.strip() for part in parts):
            yield Fault(
                where, "", place(["set", address]), "an empty part between dots" if address else "nothing", EXAMPLE
            )
        elif len(parts) > DEEPEST_ADDRESS:
            yield Fault(
                where, "", place(["set", address]), f"{len(parts):,} nested levels", f"at most {DEEPEST_ADDRESS}"
            )
    yield from (
        Fault(
            where,
            "",
            place(["set", inner]),
            f"a value inside set[{brief(outer)}], which is also set",
            "each value only once",
        )
        for outer, inner in overlapping(addresses)
    )


def as_sent(fault: Fault, values: Mapping[str, Any] | None) -> Fault:
    """A fault of a plan's file or field, named as the caller sent it. values: what the request sets, by address."""
    if fault.file in ("--set", "plan", "plan.xlsx, sheet plan") or fault.file.endswith((".toml", ".json")):
        at = f"{fault.column}."
        within = [one for one in values or () if at.startswith(f"{one}.")]
        around = [one for one in values or () if one.startswith(at)]  # it made something of a name that is none
        for one in (*within, *around):
            return replace(fault, file=place(["set", one]), row="")
    return replace(fault, file="plan", row="") if fault.file == "plan.json" else fault
