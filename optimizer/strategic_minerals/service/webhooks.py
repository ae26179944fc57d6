"""A word to another system at the end of a job: where it may go, how it is signed, and how it is sent.

Signatures follow the Standard Webhooks: HMAC-SHA256 over identifier, time and body. No name is resolved twice: the address that was
checked is the one that is called, and redirects are not followed."""

import base64
import binascii
import hashlib
import hmac
import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import MisplacedError

PREFIX = "whsec_"
"""A secret that begins so holds its bytes in base64, as libraries for Standard Webhooks expect."""
SHORTEST_SECRET, LONGEST_SECRET = 16, 200
CONNECT_S, LIMIT_S = 5.0, 15.0
"""Seconds until there is a connection, and for all of one delivery."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class RefusedError(Exception):
    """A delivery that did not come about, or was not accepted; the text has no secret and no path."""


@dataclass(frozen=True)
class Target:
    """Where a webhook goes."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """Host and port, as settings name them."""
        return f"{self.host}:{self.port}"


def target_of(url: str, allowed: frozenset[str]) -> Target:
    """Split an address into its parts. allowed: hosts, or hosts with a port, that may be private and without TLS.

    Raises MisplacedError for what is no address, for other schemes, and for what stands for this machine or a private network."""
    expected = "an address such as https://plans.example/hook"

    def wrong(found: str, wanted: str = expected) -> MisplacedError:
        return MisplacedError(("webhook.url", found, wanted))

    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise wrong("an address with other characters than ASCII")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise wrong("no address") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise wrong("no address of HTTP")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise wrong("an address with a name, a password or a fragment")
    secure = parts.scheme == "https"
    found = Target(
        secure, host, port or (443 if secure else 80), f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
    )
    if is_allowed(found, allowed):
        return found
    if not secure:
        raise wrong("an address without TLS", "https://, or a host that the service's setting WEBHOOK_HOSTS names")
    literal = _address(host)
    if host == "localhost" or host.endswith(".localhost") or (literal is not None and not is_public(literal)):
        raise wrong("a private address", "a public host, or one that the setting WEBHOOK_HOSTS names")
    return found


def is_allowed(target: Target, allowed: frozenset[str]) -> bool:
    """Whether settings name the host."""
    return bool({target.host, target.name} & allowed)


def hosts_of(setting: str) -> frozenset[str]:
    """Hosts of a setting, separated by commas or spaces."""
    return frozenset(name.lower() for name in re.split(r"[\s,]+", setting) if name)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is; None: it is a name."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        pass
    try:  # what resolves names takes `127.1`, `0x7f.1` and `2130706433` for addresses too
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is a public host's: not loopback, private, link-local (metadata of clouds), shared, multicast or reserved,
    nor an IPv6 address that stands for such an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if not all(is_public(one) for one in (address.sixtofour, *(teredo or ())) if one is not None):
            return False
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def checked_address(target: Target, allowed: frozenset[str]) -> tuple[str, int]:
    """The address of a host, once every one that its name has was checked. Raises RefusedError."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RefusedError("the name of the host cannot be resolved") from None
    places = [(str(place[4][0]), int(place[4][1])) for place in found]
    if not is_allowed(target, allowed):
        for text, _ in places:
            address = _address(text)
            if address is None or not is_public(address):
                raise RefusedError("the host has a private address")
    return places[0]


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises MisplacedError for what is no secret, without showing it."""
    sound = SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET and secret.isascii() and secret.isprintable()
    if not sound:
        expected = f"{SHORTEST_SECRET} to {LONGEST_SECRET} ASCII characters"
        raise MisplacedError(("webhook.secret", "text that is no secret (not shown)", expected))
    if not secret.startswith(PREFIX):
        return secret.encode("ascii")
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise MisplacedError(("webhook.secret", "no base64 (not shown)", f"base64 behind {PREFIX}")) from None


def signature(secret: str, name: str, at: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `name.at.body`. at: seconds since 1970, UTC."""
    signed = b".".join([name.encode("ascii"), str(at).encode("ascii"), body])
    return f"v1,{base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode('ascii')}"


def send(target: Target, place: tuple[str, int], headers: Mapping[str, str], body: bytes) -> int:
    """Send a webhook to an address that was checked; the status of the answer, whose body is not read.

    Raises RefusedError where there is no answer within the time, or one that is not HTTP."""
    connection = _Pinned(target, place)
    watch = threading.Timer(LIMIT_S, connection.cut)
    watch.daemon = True
    watch.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RefusedError(_why(error)) from None
    finally:
        watch.cancel()
        connection.close()


def _why(error: Exception) -> str:
    """What went wrong, without what the receiver sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the certificate of the host cannot be verified"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"no connection, or no answer of HTTP ({type(error).__name__})"


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host."""

    def __init__(self, target: Target, place: tuple[str, int]) -> None:
        super().__init__(target.host, target.port, timeout=CONNECT_S)
        self._target, self._place = target, place
        self.default_port = 443 if target.secure else 80  # what the header `Host` leaves out

    def connect(self) -> None:
        """Connect, and verify the host's certificate."""
        plain: Any = socket.create_connection(self._place, CONNECT_S)
        self.sock = plain
        if self._target.secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self._target.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
        self.sock.settimeout(LIMIT_S)  # from here on the receiver has the time that it was promised

    def cut(self) -> None:
        """End it where it takes too long."""
        held = self.sock
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
