"""The store's tables, as numbered steps from nothing to now: what an older version left is brought up to date at start.

A step that was published is never changed; what is new is a step more. Each is plain SQL that both databases read.
"""

from __future__ import annotations

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL,
            submitted DOUBLE PRECISION NOT NULL, started DOUBLE PRECISION, ended DOUBLE PRECISION, server TEXT,
            idempotency_key TEXT, digest TEXT NOT NULL, stopping INTEGER NOT NULL DEFAULT 0, progress TEXT NOT NULL DEFAULT '{}',
            outcome TEXT NOT NULL DEFAULT '{}', UNIQUE (tenant, idempotency_key))""",
        "CREATE INDEX jobs_by_state ON jobs (state, submitted)",
        "CREATE INDEX jobs_by_tenant ON jobs (tenant, submitted)",
        """CREATE TABLE tokens (
            id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, scopes TEXT NOT NULL,
            created DOUBLE PRECISION NOT NULL, revoked DOUBLE PRECISION, note TEXT NOT NULL)""",
        """CREATE TABLE deeds (
            at DOUBLE PRECISION NOT NULL, tenant TEXT NOT NULL, token TEXT NOT NULL, address TEXT NOT NULL,
            action TEXT NOT NULL, job TEXT NOT NULL)""",
        "CREATE TABLE servers (id TEXT PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)",
    ),
    (
        "ALTER TABLE jobs ADD COLUMN bytes BIGINT",
        "ALTER TABLE jobs ADD COLUMN ended_uptime DOUBLE PRECISION",
        "CREATE TABLE tenants (tenant TEXT PRIMARY KEY, turn BIGINT NOT NULL)",
        """CREATE TABLE usage (
            tenant TEXT NOT NULL, hour BIGINT NOT NULL, jobs BIGINT NOT NULL DEFAULT 0,
            seconds DOUBLE PRECISION NOT NULL DEFAULT 0, PRIMARY KEY (tenant, hour))""",
        "CREATE TABLE clock (id INTEGER PRIMARY KEY, uptime DOUBLE PRECISION NOT NULL, at DOUBLE PRECISION NOT NULL)",
        "INSERT INTO clock (id, uptime, at) VALUES (1, 0, 0)",
        "CREATE TABLE schema_version (version INTEGER NOT NULL)",
        "INSERT INTO schema_version (version) VALUES (2)",
    ),
    ("ALTER TABLE deeds RENAME TO audit_log",),
    (
        "ALTER TABLE jobs ADD COLUMN trace TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE jobs ADD COLUMN trace_state TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE webhooks (
            job TEXT PRIMARY KEY, url TEXT NOT NULL, secret TEXT NOT NULL, ended DOUBLE PRECISION,
            tries INTEGER NOT NULL DEFAULT 0, due DOUBLE PRECISION NOT NULL DEFAULT 0, delivered DOUBLE PRECISION,
            said TEXT NOT NULL DEFAULT '')""",
    ),
)
"""Step n takes a store of version n - 1 to version n. 1: jobs, tokens, audit log. 2: turns and usage of tenants, bytes kept, the
service's own uptime for retention, and from here on the version itself. 3: the audit log under its own name. 4: the trace of the
request that brought a job, and webhooks."""

NEWEST = len(STEPS)
COLUMNS = {
    "jobs": "id, tenant, kind, label, state, submitted, started, ended, server, idempotency_key, digest, stopping, progress, "
    "outcome, bytes, ended_uptime, trace, trace_state",
    "tokens": "id, hash, tenant, scopes, created, revoked, note",
    "audit_log": "at, tenant, token, address, action, job",
    "webhooks": "job, url, secret, ended, tries, due, delivered, said",
    "servers": "id, seen",
    "tenants": "tenant, turn",
    "usage": "tenant, hour, jobs, seconds",
    "clock": "id, uptime, at",
}
"""What the newest version must have."""
