"""Settings of the service: environment variables `STRATEGIC_MINERALS_...`, overridden by the command line; limits of callers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


@dataclass(frozen=True)
class Limits:
    """What a tenant, a request and a job may take. An application that embeds the service passes its own to `create_app`."""

    queued: int = 2000
    """Jobs that wait, in all."""
    queued_of_tenant: int = 500
    running_of_tenant: int = 256
    jobs_of_tenant: int = 5000
    """Jobs submitted within 24 hours."""
    minutes_of_tenant: float = 2880.0
    """Minutes computed within 24 hours."""
    mib_of_tenant: float = 20_480.0
    """MiB that a tenant's jobs keep."""
    stored_of_tenant: int = 100
    stored_mib_of_tenant: float = 200.0
    """Questions kept by `POST /v1/questions`, and their bytes; the oldest make room."""
    requests_per_minute: int = 1200
    """Of one token, reads too."""
    streams_of_tenant: int = 20
    streams: int = 100
    """Event streams open at once, in all."""
    costly: int = 6
    """Requests at once that take more than some milliseconds, in all; one of a tenant, whose others wait."""
    waiting_of_tenant: int = 16
    """Costly requests of a tenant that wait for each other; more are refused."""
    body_bytes: int = 10 * 2**20
    rows: int = 200_000
    """Rows of a question's own tables."""
    columns: int = 5_000_000
    """Columns of a model, estimated before it is built."""
    job_s: float = 4 * 3600.0
    """Seconds of one job; the setting `deadline_s` replaces it."""
    memory_aside_mib: int = 2048
    """Memory of a process that reads or examines a request."""
    grace_s: float = 3.0
    """Seconds between asking a job to stop and killing it."""
    niceness: int = 10
    """Priority of jobs: higher gives way to other processes."""
    silent_s: float = 30.0
    """Seconds without a heartbeat after which a server counts as gone (PostgreSQL)."""
    log_days: float = 400.0
    """Days for which lines of the audit log are kept."""


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
    host: str = Field(
        "127.0.0.1", description="Address to listen on; another than this machine's own needs trusted_proxies."
    )
    port: int = Field(8000, ge=0, le=65535)
    public_url: str = Field(
        "", description="Public address behind a proxy, with a path if there is one: https://office.example/minerals."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of proxies, by commas, whose `X-Forwarded-For` tells the caller; the service listens to "
        "other machines only behind one.",
    )
    workers: int = Field(2, ge=1, le=256, description="Jobs that run at the same time; they share the machine's cores.")
    memory_mib: int = Field(8192, ge=256, description="Memory limit of a job (address space).")
    deadline_s: float = Field(4 * 3600.0, gt=0, description="Time limit of a job, from start to end.")
    keep_days: float = Field(90.0, gt=0, description="Ended jobs are deleted after this time.")
    webhook_hosts: str = Field(
        "",
        description="Hosts that webhooks may go to although they are private or without TLS, with or without a port, by commas.",
    )

    @field_validator("public_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", value):
            raise ValueError("an address such as https://plans.example or https://office.example/minerals")
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in filter(None, re.split(r"[,\s]+", value)):
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError("addresses or networks such as 10.0.0.5 or 10.0.0.0/24, by commas") from None
        return value

    @model_validator(mode="after")
    def _only_here(self) -> Settings:
        if not on_loopback(self.host) and not self.trusted_proxies:
            text = "put a proxy with TLS in front and name its address in trusted_proxies"
            raise ValueError(f"host: other machines can reach the host {self.host}; {text}")
        return self

    @property
    def address(self) -> str | None:
        """The database's address with its password; None: SQLite in the folder."""
        return None if self.database is None else self.database.get_secret_value()

    @property
    def prefix(self) -> str:
        """Path of the public address; empty: the service stands at the root."""
        return urlsplit(self.public_url).path


def on_loopback(host: str) -> bool:
    """Whether a host name is this machine's own and no other's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
