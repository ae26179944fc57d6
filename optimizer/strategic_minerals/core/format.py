"""The one format of what the package writes and reads again: plans, tables, run folders, studies, the service's store."""

from __future__ import annotations

from .errors import Fault, shown

FORMAT = 1


def format_fault(file: str, row: str, column: str, stated: object) -> Fault | None:
    """The fault of a file of another format; None where it is of this one. stated: what the file says; None: nothing."""
    if type(stated) is int and stated == FORMAT:
        return None
    found = "nothing" if stated is None else f"format {shown(stated)}"
    return Fault(file, row, column, found, f"format {FORMAT}, the only one that this version reads")
