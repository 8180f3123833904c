"""Where and how a server listens, and who may therefore reach it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from sbhooks.errors import ConfigError, SbhooksError
from sbhooks.events import utc_now
from sbhooks_server.hosts import Allowed, is_every_address, is_loopback
from sbhooks_server.policy import Policy
from sbhooks_server.tokens import TokenFile

_BACKLOG = 2048


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to serve.

    Attributes:
        host: Address or name to listen on.
        port: 0 for any that is free.
        metrics_port: A further port, on which nothing but ``/metrics`` is answered.
        names: Further names in ``Host``, as of a proxy in front.
        origins: Pages of others that may ask.
        require_token: Ask for tokens where it is not necessary.
        tls_cert: File of the certificate chain (PEM).
        tls_key: File of its key.
        jwt_key: File with the key of whoever issues JWTs: an RSA public key, or a secret.
        jwt_issuer: What such tokens say in ``iss``.
        jwt_audience: What they say in ``aud``.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    metrics_port: int | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    require_token: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    jwt_key: Path | None = None
    jwt_issuer: str | None = None
    jwt_audience: str = "sbhooks"

    @property
    def needs_token(self) -> bool:
        """Whether others than this machine's users could reach it."""
        return self.require_token or not all(map(is_loopback, (self.host, *self.names)))


def policy(address: Address) -> Policy:
    """What a server at an address lets in.

    Raises:
        ConfigError: The key of JWTs cannot be used.
    """
    names = {name.lower() for name in (address.host, *address.names)}
    everywhere = is_every_address(address.host)
    if everywhere or is_loopback(address.host):
        names |= {"localhost", "127.0.0.1", "::1"}
    if everywhere:
        names.add(socket.gethostname().lower())
    allowed = Allowed(
        hosts=frozenset(names),
        origins=frozenset(origin.lower().rstrip("/") for origin in address.origins),
        any_address=everywhere,
    )
    issuer = None
    if address.jwt_key is not None and address.jwt_issuer is not None:
        from sbhooks_server.jwts import Issuer

        issuer = Issuer(address.jwt_key, address.jwt_issuer, address.jwt_audience)
    return Policy(allowed=allowed, needs_token=address.needs_token, issuer=issuer)


def check(address: Address, home: Path) -> None:
    """Refuse what would let strangers in.

    Raises:
        ConfigError: Tokens are needed and there is none, or half of TLS or JWT is given.
    """
    if (address.tls_cert is None) != (address.tls_key is None):
        raise ConfigError("TLS needs both --tls-cert and --tls-key")
    if (address.jwt_key is None) != (address.jwt_issuer is None):
        raise ConfigError("JWTs need both --jwt-key and --jwt-issuer")
    policy(address)
    if address.needs_token and address.jwt_key is None and not TokenFile(home).usable(utc_now()):
        raise ConfigError(
            f"refuses to serve {address.host} without a token: others could read and write. "
            "Run: sbhooks token create NAME --scope read --scope ingest"
        )


@contextmanager
def all_listening(address: Address) -> Iterator[list[socket.socket]]:
    """The socket at the address, and that for metrics, if there is one."""
    with ExitStack() as stack:
        ports = [address.port, *([] if address.metrics_port is None else [address.metrics_port])]
        yield [stack.enter_context(_listening(address.host, port)) for port in ports]


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address.

    Raises:
        SbhooksError: It is taken, or none of this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise SbhooksError(
            f"cannot listen on {host} port {port}: {error.strerror}. Choose another port"
        ) from error
    with sock:
        yield sock
