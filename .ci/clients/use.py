"""Use the generated client as the service's README shows it, and read the example of a result: python use.py OPENAPI."""

import json
import sys
import time
from pathlib import Path

from planner_client import AuthenticatedClient
from planner_client.api.jobs import get_job, submit_job
from planner_client.api.results import get_result
from planner_client.models import FrontierRequest, FrontierRequestShipped, FrontierResult, JobStatus, Webhook


def first_budget(client: AuthenticatedClient, hook: Webhook) -> tuple[float, dict[str, object]]:
    """Submit a job with a webhook, wait for its end, read its typed answer with the rows of a table."""
    quickstart = FrontierRequestShipped("quickstart")
    asked = FrontierRequest(kind="frontier", shipped=quickstart, factors=[0.5, 1.0], webhook=hook)
    job = submit_job.sync(client=client, body=asked)
    assert isinstance(job, JobStatus), job  # else a problem, with its faults
    while isinstance(status := get_job.sync(job.id, client=client), JobStatus) and status.state in (
        "queued",
        "running",
    ):
        time.sleep(1)
    result = get_result.sync(job.id, client=client, include=["points"])
    assert isinstance(result, FrontierResult), result
    assert result.included, result
    return float(result.facts["gap"]), dict(result.included["points"][0].additional_properties)


def main() -> None:
    """Read the example that the description has."""
    described = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answers = described["paths"]["/v1/jobs/{job_id}/result"]["get"]["responses"]
    example = answers["200"]["content"]["application/json"]["example"]
    result = FrontierResult.from_dict(example)
    assert result.facts["gap"] == example["facts"]["gap"]
    assert [table.rows for table in result.tables.additional_properties.values()] == [1]


if __name__ == "__main__":
    main()
