"""TCP ports of the machine: is one free, who holds it, pick some that nobody has."""

import random
import socket

import psutil

from turnout.domain.errors import InvalidInputError

PICKED_FROM = range(20_000, 32_000)
"""Below the kernel's ephemeral ports (32768 and up): no outgoing connection takes one between two starts."""


def is_free(port: int) -> bool:
    """Whether a server could listen on a port, on any address."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: closing connections do not count
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 -- never listens; a holder on any address must show
        except OSError:
            return False
    return True


def pick(avoid: set[int] | None = None) -> int:
    """A free port, not among `avoid`, picked by chance so that two labs rarely ask for the same."""
    taken = avoid or set()
    while True:
        port = random.choice(PICKED_FROM)  # noqa: S311 -- not a secret
        if port not in taken and is_free(port):
            return port


def holder(port: int) -> str:
    """Say who listens on a port, as far as the system tells."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "a process that the system does not name"


def require_free(name: str, ports: tuple[int, ...]) -> None:
    """Refuse ports that are taken.

    Raises:
        InvalidInputError: One is; the message names it and its holder.
    """
    for port in ports:
        if not is_free(port):
            raise InvalidInputError(
                f"port {port} of {name}",
                observed=f"taken by {holder(port)}",
                limit="a free port",
                remedy="End that process, or choose another port.",
            )
