"""The store's part for tokens, the audit log, servers and their heartbeats, and the service's own uptime."""

from __future__ import annotations

import time

from .base_store import JOB, TOKEN, BaseStore, job_of, log_entry_of, token_of
from .entities import AuditLogEntry, Job, Token

FORGOTTEN_S = 86_400.0
"""After so long without a sign of life, nothing is kept of a server."""


class TokenStore(BaseStore):
    """Tokens, audit log, servers."""

    def seen(self, server: str) -> None:
        """This server lives."""
        now = self.clock
        self._run(
            (
                f"INSERT INTO servers (id, seen) VALUES (:id, {now}) ON CONFLICT (id) DO UPDATE SET seen = {now}",
                {"id": server},
            ),
            (f"DELETE FROM servers WHERE seen < {now} - :forgotten", {"forgotten": FORGOTTEN_S}),
        )

    def gone(self, server: str) -> None:
        """This server ends."""
        self._run(("DELETE FROM servers WHERE id = :id", {"id": server}))

    def orphans(self, silent_s: float) -> list[Job]:
        """Running jobs of servers that gave no sign of life for so long, or never."""
        living = f"SELECT id FROM servers WHERE seen >= {self.clock} - :silent"
        lost = f"state = 'running' AND server NOT IN ({living})"
        (rows,) = self._run((f"SELECT {JOB} FROM jobs WHERE {lost}", {"silent": float(silent_s)}))
        return [job_of(row) for row in rows]

    def passed(self, seconds: float) -> float:
        """Add time that went by to the service's uptime [s]: no more than both the caller's monotonic clock (seconds) and the
        database's wall clock say, so that neither a jump of the clock nor several servers make it run fast. The uptime now."""
        now = self.clock
        gone = f"{now} - at"
        added = f"CASE WHEN {gone} <= 0 THEN 0 WHEN {gone} < :seconds THEN {gone} ELSE :seconds END"
        (rows,) = self._run(
            (
                f"UPDATE clock SET uptime = uptime + {added}, at = {now} WHERE id = 1 RETURNING uptime",
                {"seconds": float(seconds)},
            )
        )
        return float(rows[0][0]) if rows else 0.0

    def keep_token(self, token: Token, digest: str) -> None:
        """Keep a new token by its hash."""
        values = {**vars(token), "scopes": " ".join(token.scopes), "hash": digest}
        columns = "id, hash, tenant, scopes, created, revoked, note"
        self._run(
            (f"INSERT INTO tokens ({columns}) VALUES (:id, :hash, :tenant, :scopes, :created, :revoked, :note)", values)
        )

    def token(self, digest: str) -> Token | None:
        """The token with a hash, unless it was revoked."""
        (rows,) = self._run((f"SELECT {TOKEN} FROM tokens WHERE hash = :hash AND revoked IS NULL", {"hash": digest}))
        return token_of(rows[0]) if rows else None

    def in_force(self, token: str) -> bool:
        """Whether a token, by its name, still is one."""
        (rows,) = self._run(("SELECT 1 FROM tokens WHERE id = :id AND revoked IS NULL", {"id": token}))
        return bool(rows)

    def tokens(self) -> list[Token]:
        """All, revoked ones too."""
        (rows,) = self._run((f"SELECT {TOKEN} FROM tokens ORDER BY created", {}))
        return [token_of(row) for row in rows]

    def revoke(self, token: str) -> bool:
        """Make a token worthless; whether there was one of that name in force."""
        values = {"id": token, "now": time.time()}
        (rows,) = self._run(
            ("UPDATE tokens SET revoked = :now WHERE id = :id AND revoked IS NULL RETURNING id", values)
        )
        return bool(rows)

    def log(self, entry: AuditLogEntry) -> None:
        """A line of the audit log."""
        values = ":at, :tenant, :token, :address, :action, :job"
        self._run((f"INSERT INTO audit_log (at, tenant, token, address, action, job) VALUES ({values})", vars(entry)))

    def log_entries(self, limit: int = 1000) -> list[AuditLogEntry]:
        """The audit log, the newest first."""
        (rows,) = self._run(
            (
                "SELECT at, tenant, token, address, action, job FROM audit_log ORDER BY at DESC LIMIT :limit",
                {"limit": limit},
            )
        )
        return [log_entry_of(row) for row in rows]
