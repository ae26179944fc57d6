// Use the generated types: a request of a kind, and a result with the fields of that kind.
import type { components, operations } from "./api";

type JobRequest = operations["submit_job"]["requestBody"]["content"]["application/json"];
type JobResult = operations["get_result"]["responses"]["200"]["content"]["application/json"];

export const request: JobRequest = {
  kind: "stress",
  of: "3f0c6b1e9d2a4c58b7e6f1a2d3c4b5a6",
  scenarios: 1000,
  webhook: { url: "https://example.org/ended", secret: "sixteen characters or more" },
};

export function gapOf(result: JobResult): number | null {
  switch (result.kind) {
    case "frontier":
    case "explain":
      return Number(result.facts["gap"]);
    default:
      return null;
  }
}

export const table: components["schemas"]["TableLink"] = { rows: 1, csv: "/v1", columns: { factor: "number" } };
