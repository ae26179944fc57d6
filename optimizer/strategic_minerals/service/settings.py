"""What the service is told: environment variables `STRATEGIC_MINERALS_...`, then what the command line says."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Limits and places of one server."""

    model_config = SettingsConfigDict(
        env_prefix="STRATEGIC_MINERALS_", extra="forbid", allow_inf_nan=False, frozen=True
    )

    folder: Path = Field(Path("service"), description="Jobs' files, and the database where none is named.")
    database: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name; none: SQLite in the folder. Several servers then share the folder.",
    )
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str = Field(
        "", description="What people call it, https://plans.example, where a proxy stands in front."
    )
    open_on_loopback: bool = Field(False, description="No token asked for; only where the host is this machine itself.")
    scheduler: str | None = Field(
        None, description="Address of a Dask scheduler whose workers answer jobs; none: children here."
    )

    workers: int = Field(2, ge=1, le=256, description="Jobs that run at once.")
    threads: int = Field(
        0, ge=0, le=256, description="Cores for one job; 0: those of the machine shared among the workers."
    )
    niceness: int = Field(10, ge=0, le=19, description="How far jobs stand back for everything else on the machine.")
    memory_mib: int = Field(8192, ge=256, description="Address space of a job.")
    deadline_s: float = Field(4 * 3600.0, gt=0, description="Wall clock of a job, start to end.")
    grace_s: float = Field(3.0, ge=0, description="Between asking a job to stop and killing it.")

    most_queued: int = Field(1000, ge=1, description="Jobs that wait, of all tenants.")
    most_queued_of_tenant: int = Field(250, ge=1)
    most_running_of_tenant: int = Field(256, ge=1)
    most_jobs_of_tenant: int = Field(5000, ge=1, description="Jobs that a tenant may submit within 24 hours.")
    most_minutes_of_tenant: float = Field(
        2880.0, gt=0, description="Minutes that a tenant's jobs may compute within 24 hours."
    )
    most_mib_of_tenant: float = Field(20_480.0, gt=0, description="MiB that a tenant's jobs may keep.")
    requests_per_minute: int = Field(1200, ge=1, description="Of one token; reading counts too.")
    most_drafts: int = Field(20, ge=1, description="Uploads of a tenant that were not run yet; the oldest make room.")
    most_streams: int = Field(20, ge=1, description="Event streams open at once, of one tenant.")
    most_streams_in_all: int = Field(100, ge=1, description="Event streams open at once, of all tenants.")
    silent_s: float = Field(
        60.0, gt=5, description="A server without a sign of life for so long is taken for gone (PostgreSQL)."
    )
    keep_days: float = Field(90.0, gt=0, description="Ended jobs are deleted after so long.")

    most_connections: int = Field(
        500, ge=1, description="Connections open at once; those that only wait make room for new ones."
    )
    most_connections_of_address: int = Field(
        200, ge=1, description="The same, of one address: raise it behind a proxy."
    )
    header_s: float = Field(10.0, gt=0, description="Until a request's header has come.")
    body_s: float = Field(60.0, gt=0, description="Until a request's body has come.")
    answer_s: float = Field(60.0, gt=0, description="That an answer may wait for a caller who does not take it.")

    memory_aside_mib: int = Field(
        2048, ge=256, description="Address space of a process that reads or looks at a large request."
    )
    most_bodies_mib: int = Field(256, ge=1, description="Bodies of requests held in memory at once.")
    most_body_bytes: int = Field(10 * MIB, ge=1024)
    most_rows: int = Field(200_000, ge=1, description="Rows of a question's own tables.")
    most_columns: int = Field(5_000_000, ge=1, description="Size of a model, estimated before it is built.")

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", value):
            raise ValueError("an address such as https://plans.example")
        return value.lower().rstrip("/")

    @model_validator(mode="after")
    def _only_here(self) -> Settings:
        if self.open_on_loopback and not on_loopback(self.host):
            raise ValueError(f"open_on_loopback: the host is {self.host}, which others reach; create a token instead")
        return self

    @property
    def threads_of_job(self) -> int:
        """Cores that one job gets."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)


def on_loopback(host: str) -> bool:
    """Whether a host name is this machine's own and no other's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
