"""Use the generated client: a request of a kind, and a result with the fields of that kind: python use.py OPENAPI."""

import json
import sys
from pathlib import Path

from planner_client.models.frontier_request import FrontierRequest
from planner_client.models.frontier_request_shipped import FrontierRequestShipped
from planner_client.models.frontier_result import FrontierResult

request = FrontierRequest(kind="frontier", shipped=FrontierRequestShipped("quickstart"), factors=[0.5, 1.0])
assert request.to_dict()["factors"] == [0.5, 1.0]

described = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
answers = described["paths"]["/v1/jobs/{job_id}/result"]["get"]["responses"]
example = answers["200"]["content"]["application/json"]["example"]
result = FrontierResult.from_dict(example)
gap: float = result.facts.gap
assert gap == example["facts"]["gap"]
assert [table.rows for table in result.tables.additional_properties.values()] == [1]
