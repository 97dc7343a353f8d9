"""The address that a service listens on."""

from __future__ import annotations

import errno
import ipaddress
import socket
import time

from pipelines.core.errors import SpecError

PATIENCE_S = 5.0  # for the workers of a service that was killed a moment ago
LOOK_S = 0.1
QUEUE = 2048  # connections that wait while workers start


def checked_host(host: str, *, has_tokens: bool, without_tokens: bool) -> str:
    """A host on which a service may listen.

    Arguments:
        host: address or name.
        has_tokens: whether callers need a token.
        without_tokens: whether the operator has accepted callers from elsewhere without a token.

    Raises:
        SpecError: when it is empty or unknown, or when callers on other machines would need no
            token and that was not accepted.
    """
    if not host.strip():
        raise SpecError(
            "the address to listen on is empty",
            where="--host",
            got=repr(host),
            wanted="127.0.0.1, or an address of this machine that others may reach",
            hint="an empty address would listen on every network of this machine",
        )
    if has_tokens or without_tokens or is_loopback(host):
        return host
    raise SpecError(
        "the service would answer other machines without a token",
        where=f"--host {host}",
        wanted="GAUNTLET_SERVE_TOKENS with at least one token, or a loopback address",
        hint="--without-tokens, where a firewall or a proxy decides who may call",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "0.0.0.0", "::")]
    [True, True, False, False]

    Raises:
        SpecError: when the host is unknown.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as cause:
        raise SpecError(
            "the address to listen on is unknown",
            where=f"--host {host}",
            got=str(cause),
            wanted="an address of this machine",
        ) from cause
    addresses = [str(address[0]).partition("%")[0] for *_, address in found]
    return all(ipaddress.ip_address(one).is_loopback for one in addresses)


def listening_socket(host: str, port: int) -> socket.socket:
    """The socket that all workers answer at; callers who come too early wait in its queue.

    Waits a few seconds for a port that is in use.

    Raises:
        SpecError: when the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    end = time.perf_counter() + PATIENCE_S
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=QUEUE)
        except (OSError, UnicodeError) as cause:
            if getattr(cause, "errno", None) == errno.EADDRINUSE and time.perf_counter() < end:
                time.sleep(LOOK_S)
                continue
            raise SpecError(
                "cannot listen there",
                where=f"--host {host} --port {port}",
                got=str(cause),
                wanted="an address of this machine, and a free port",
                hint=f"another --port; `ss -ltnp sport = :{port}` shows the process that has "
                "this one",
            ) from cause
