"""Hostile requests cost others nothing: bodies that are all faults, too large, packed, slow to read."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from strategic_minerals import PlanError
from strategic_minerals.core import errors
from strategic_minerals.core.errors import MOST_FAULTS
from strategic_minerals.service import admission as submission
from strategic_minerals.service import reading
from strategic_minerals.service.job_folder import Folder
from strategic_minerals.service.requests import ProblemError
from support.served import QUICK, Obedient, client


def many(item: str, n: int) -> str:
    return f"[{','.join([item] * n)}]"


SHIPPED = '{"kind":"solve","shipped":"quickstart",'
FAULTY = {
    "rows that are numbers": SHIPPED + f'"tables":{{"demand":{many("0", 150_000)}}}}}',
    "tables without end": SHIPPED + f'"tables":{json.dumps({f"k{n}": [] for n in range(100_000)})}}}',
    "fields without end": json.dumps({f"k{n}": 0 for n in range(100_000)}),
    "jobs that are numbers": f'{{"kind":"compare","of":{many("0", 500_000)}}}',
    "a field's name without end": f'{{"kind":"solve","{"x" * 1_000_000}":1}}',
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_body_that_is_all_faults_is_bounded_before_it_is_validated(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R43: what validates finds no more faults than are told, and few names that were meant are looked for."""
    seen, looked = list[int](), list[str]()
    real = errors.get_close_matches
    monkeypatch.setattr(errors, "get_close_matches", lambda word, *a, **b: looked.append(word) or real(word, *a, **b))

    class Counting:
        def __init__(self, adapter: Any) -> None:
            self._adapter = adapter

        def validate_python(self, raw: Any) -> Any:
            try:
                return self._adapter.validate_python(raw)
            except Exception as error:
                seen.append(error.error_count())  # type: ignore[attr-defined]
                raise

    monkeypatch.setattr(reading, "ADAPTERS", {form: Counting(adapter) for form, adapter in reading.ADAPTERS.items()})
    with pytest.raises((PlanError, ProblemError)) as caught:
        reading.read("job", FAULTY[what].encode(), Folder(tmp_path), 200_000)
    error = caught.value
    told = error.problem if isinstance(error, ProblemError) else ProblemError("invalid", "", error.faults).problem
    assert all(count <= reading.MOST_FIELDS for count in seen)
    assert len(looked) <= 200
    assert len(told.faults) <= MOST_FAULTS + 1
    assert len(told.model_dump_json()) < 100_000


@pytest.mark.slow
def test_a_request_that_takes_too_much_memory_or_time_to_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves R43: a process that reads and runs out of memory or of time ends as a refusal, and nothing is kept."""
    with client(tmp_path / "s", Obedient(hold=True), memory_aside_mib=256) as service:
        plan = '{"kind":"solve","plan":{"materials":' + many("[[[]]]", 70_000) + "}}"
        refused = service.post("/v1/jobs", content=plan, headers={"Content-Type": "application/json"})
        assert refused.status_code in (413, 422)
        monkeypatch.setattr(submission, "READ_S", 0.01)
        late = service.post("/v1/jobs", json={**QUICK, "tables": {"demand": [{"note": "x" * 50}] * 3000}})
        assert (late.status_code, "256 MiB" in late.json()["detail"]) == (413, True)
        assert not list((tmp_path / "s" / "jobs").iterdir())


def test_bodies_that_are_packed_too_large_or_of_another_type_are_not_read(tmp_path: Path) -> None:
    """Proves R36: no gzip bomb is unpacked, and most of a body that is too large is never taken."""
    with client(tmp_path / "s", Obedient(), body_bytes=100_000) as service:
        packed, kind = gzip.compress(b" " * 10_000_000), {"Content-Type": "application/json"}
        answer = service.post("/v1/jobs", content=packed, headers={**kind, "Content-Encoding": "gzip"})
        assert answer.status_code == 415
        assert service.post("/v1/jobs", content=packed, headers=kind).status_code == 400
        for other in ({}, {"Content-Type": "text/plain"}):
            assert service.post("/v1/jobs", content=b"{}", headers=other).status_code == 415
        assert service.post("/v1/jobs", content=b" " * 200_000, headers=kind).status_code == 413
        assert service.post("/v1/jobs", content=(b" " * 10_000 for _ in range(1000)), headers=kind).status_code == 413
        assert service.post("/v1/jobs/upload", files={"plan": b"x" * 200_000}).status_code == 413
