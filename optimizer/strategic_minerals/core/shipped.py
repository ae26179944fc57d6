"""Where the shipped plans and tables lie: in the checkout where there is one, else inside the installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(kind: str) -> Path:
    """Folder `models` or `inputs`: the shipped plans, the shipped tables.

    kind: which of the two. A checkout's folder comes first: an editable install copies them, and copies age.

    Raises ValueError for another kind.
    """
    if kind not in ("models", "inputs"):
        raise ValueError(f"kind must be 'models' or 'inputs', not {kind!r}")
    checkout = PACKAGE.parent.parent / kind
    beside = (PACKAGE.parent.parent / "pyproject.toml").is_file() and PACKAGE.parent.name == "optimizer"
    return checkout if beside and checkout.is_dir() else PACKAGE / "shipped_files" / kind
