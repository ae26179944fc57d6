"""Settings of the service: environment variables `STRATEGIC_MINERALS_...`, overridden by the command line."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..core.errors import MisplacedError
from .webhooks import key_of

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Settings of one server."""

    model_config = SettingsConfigDict(
        env_prefix="STRATEGIC_MINERALS_", extra="forbid", allow_inf_nan=False, frozen=True, hide_input_in_errors=True
    )

    folder: Path = Field(
        Path("service"), description="Folder of the jobs' files, and of the database if none is named."
    )
    database: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name; unset: SQLite in the folder. Several servers can share PostgreSQL.",
    )
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str = Field("", description="Public address of the service behind a proxy, e.g. https://plans.example.")
    open_on_loopback: bool = Field(
        False, description="Require no token; allowed only if the host is this machine itself."
    )

    workers: int = Field(2, ge=1, le=256, description="Number of jobs that run at the same time.")
    threads: int = Field(
        0, ge=0, le=256, description="Cores for one job; 0: the machine's cores divided by the number of workers."
    )
    niceness: int = Field(
        10, ge=0, le=19, description="Process priority of jobs (nice value): higher gives way to other processes."
    )
    memory_mib: int = Field(8192, ge=256, description="Memory limit of a job (address space).")
    deadline_s: float = Field(4 * 3600.0, gt=0, description="Time limit of a job, from start to end.")
    grace_s: float = Field(3.0, ge=0, description="Time between asking a job to stop and killing it.")

    most_queued: int = Field(1000, ge=1, description="Number of waiting jobs, over all tenants.")
    most_queued_of_tenant: int = Field(250, ge=1)
    most_running_of_tenant: int = Field(256, ge=1)
    most_jobs_of_tenant: int = Field(5000, ge=1, description="Number of jobs that a tenant may submit within 24 hours.")
    most_minutes_of_tenant: float = Field(
        2880.0, gt=0, description="Computing time of a tenant's jobs within 24 hours, in minutes."
    )
    most_mib_of_tenant: float = Field(20_480.0, gt=0, description="Disk space of a tenant's jobs, in MiB.")
    requests_per_minute: int = Field(1200, ge=1, description="Requests per minute and token, including reads.")
    most_drafts: int = Field(
        20, ge=1, description="Number of a tenant's uploads that were not run yet; the oldest are deleted to make room."
    )
    most_streams: int = Field(20, ge=1, description="Event streams open at the same time, per tenant.")
    most_streams_in_all: int = Field(100, ge=1, description="Event streams open at the same time, over all tenants.")
    silent_s: float = Field(
        60.0, gt=5, description="A server without a heartbeat for this time counts as gone (PostgreSQL)."
    )
    webhook_hosts: str = Field(
        "",
        description="Hosts that webhooks may go to although they are private or without TLS, with or without a port, by commas.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs webhooks that name no secret of their own; unset: each must name one."
    )
    keep_days: float = Field(90.0, gt=0, description="Ended jobs are deleted after this time.")

    most_connections: int = Field(
        500, ge=1, description="Connections open at the same time; idle ones are closed to make room for new ones."
    )
    most_connections_of_address: int = Field(
        200, ge=1, description="Connections open at the same time from one address: raise it behind a proxy."
    )
    header_s: float = Field(10.0, gt=0, description="Time limit for the header of a request.")
    body_s: float = Field(60.0, gt=0, description="Time limit for the body of a request.")
    answer_s: float = Field(60.0, gt=0, description="Time limit for a client to accept an answer.")

    memory_aside_mib: int = Field(
        2048, ge=256, description="Memory limit of a process that reads or checks a large request (address space)."
    )
    most_bodies_mib: int = Field(256, ge=1, description="Total size of request bodies in memory at the same time.")
    most_body_bytes: int = Field(10 * MIB, ge=1024)
    most_rows: int = Field(200_000, ge=1, description="Number of rows in a question's own tables.")
    most_columns: int = Field(5_000_000, ge=1, description="Columns of a model, estimated before it is built.")

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", value):
            raise ValueError("an address such as https://plans.example")
        return value.lower().rstrip("/")

    @field_validator("webhook_secret")
    @classmethod
    def _a_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                key_of(value.get_secret_value())
            except MisplacedError as error:
                raise ValueError(error.places[0][2]) from None
        return value

    @model_validator(mode="after")
    def _only_here(self) -> Settings:
        if self.open_on_loopback and not on_loopback(self.host):
            raise ValueError(f"open_on_loopback: other machines can reach the host {self.host}; create a token instead")
        return self

    @property
    def address(self) -> str | None:
        """The database's address with its password; None: SQLite in the folder."""
        return None if self.database is None else self.database.get_secret_value()

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
