"""Uploads that were not run yet: a folder each, with what was seen of the plan when it came."""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request

from .authentication import Caller
from .forms import Uploaded
from .job_folder import Folder, new_id
from .problem_details import ProblemError

DRAFT = "draft.json"


def keep_draft(request: Request, caller: Caller, form: Uploaded) -> str:
    """Keep an upload; its name. The tenant's oldest ones make room."""
    files = dict(sorted(form.files.items(), key=lambda file: file[0].startswith("tables/")))  # the plan first
    _make_room(request, caller)
    folder = _place(request, new_id())
    try:
        folder.path.mkdir(parents=True)
        for name, data in files.items():
            folder.keep(name, data)
        folder.write(DRAFT, {"tenant": caller.tenant, "files": list(files), "label": form.label, "at": time.time()})
    except BaseException:
        folder.delete()
        raise
    return folder.path.name


def seen_of_draft(request: Request, caller: Caller, name: str, seen: dict[str, Any]) -> None:
    """Keep what was seen of a draft's plan."""
    folder, stated = own_draft(request, caller, name)
    folder.write(DRAFT, {**stated, "seen": seen})


def files_of(request: Request, caller: Caller, name: str) -> dict[str, bytes]:
    """Files of a draft; none where no draft is named. Raises ProblemError."""
    if not name:
        return {}
    folder, stated = own_draft(request, caller, name)
    return {file: (folder.path / file).read_bytes() for file in stated["files"]}


def own_draft(request: Request, caller: Caller, name: str) -> tuple[Folder, dict[str, Any]]:
    """A draft of the caller's tenant. Raises ProblemError."""
    folder = _place(request, name if name.isalnum() and len(name) == 32 else "none")
    stated = folder.read(DRAFT)
    if stated is None or stated["tenant"] != caller.tenant:
        raise ProblemError("not-found", "This upload no longer exists: please upload it again.")
    return folder, stated


def _place(request: Request, name: str) -> Folder:
    return Folder(request.app.state.settings.folder / "drafts" / name)


def _make_room(request: Request, caller: Caller) -> None:
    """Delete the oldest drafts of a tenant that has many."""
    settings = request.app.state.settings
    mine = [
        (stated["at"], path)
        for path in (settings.folder / "drafts").glob("*")
        if (stated := Folder(path).read(DRAFT)) is not None and stated["tenant"] == caller.tenant
    ]
    for _, path in sorted(mine)[: max(0, len(mine) - settings.most_drafts + 1)]:
        Folder(path).delete()
