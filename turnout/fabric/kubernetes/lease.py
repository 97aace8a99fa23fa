"""An election by a Lease (coordination.k8s.io), and the one address that leads to whoever holds it.

Each write names the version that was read, so of two that take a lease at once the API server lets one. Lease
and EndpointSlice have to be there; neither is made here, so the right to change these two is all it takes.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from turnout.domain.errors import TurnoutError
from turnout.domain.lease import Claim, Seen, trusted
from turnout.fabric.kubernetes.apply import Applier

LEASE_SECONDS = 5.0
"""A killed holder is succeeded after this long; one that cannot reach the API server gives up sooner."""
RENEW_SECONDS = 1.0
"""Between two looks."""

_LEASES = "/apis/coordination.k8s.io/v1"
_SLICES = "/apis/discovery.k8s.io/v1"

_log = logging.getLogger(__name__)


class Election:
    """One candidate's part in an election.

    Args:
        applier: The connection.
        lease: `NAMESPACE/NAME` of the Lease, and of the EndpointSlice that leads to its holder.
        identity: Who this is; no two may have the same.
        address: Where this one is reached.
        clock: Seconds of a clock that is never set back.
        seconds: Length of the lease.
    """

    def __init__(
        self, applier: Applier, lease: str, *, identity: str, address: str, clock: Callable[[], float],
        seconds: float = LEASE_SECONDS,
    ) -> None:  # fmt: skip
        """Hold nothing yet."""
        self._applier = applier
        namespace, _, name = lease.rpartition("/")
        self._lease = f"{_LEASES}/namespaces/{namespace}/leases/{name}"
        self._slice = f"{_SLICES}/namespaces/{namespace}/endpointslices/{name}"
        self._identity, self._address = identity, address
        self._clock, self._seconds = clock, seconds
        self._seen: Seen | None = None
        self._asked: float | None = None
        self._announced = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Stand for election from now on."""
        self._thread.start()

    def holds(self) -> bool:
        """Whether this one may act now; worked out from the clock, so a process that was stopped may not."""
        return trusted(self._asked, self._seconds, self._clock())

    def end(self) -> None:
        """Stand no more, and let the next one begin at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self.holds():
            self._asked = None
            self._quietly(self._release)

    def look(self) -> None:
        """Read the lease once, and renew or take it where that is this one's to do.

        Raises:
            TurnoutError: The API server does not answer or does not permit it, or another one was faster.
        """
        now = self._clock()
        lease = self._applier.call("GET", self._lease, named="the Lease")
        read = _seen(lease, now, self._seconds)
        self._seen = self._seen.after(read) if self._seen else read
        claim = self._seen.claim(self._identity, now)
        if claim is Claim.WAIT:
            self._asked, self._announced = None, False
            return
        if claim is Claim.TAKE:
            self._announced = False
            _log.info("taking the lease of %s", self._seen.holder or "nobody")
        self._write(_held(lease, self._identity, self._seconds))
        self._asked = now
        if not self._announced:
            self._announce()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._quietly(self.look)
            self._stop.wait(RENEW_SECONDS)

    def _quietly(self, act: Callable[[], None]) -> None:
        try:
            act()
        except TurnoutError as error:
            _log.warning("%s", error)

    def _release(self) -> None:
        lease = self._applier.call("GET", self._lease, named="the Lease")
        if lease["spec"].get("holderIdentity") == self._identity:
            self._write(_held(lease, "", self._seconds))

    def _write(self, lease: dict[str, Any]) -> None:
        self._applier.call("PUT", self._lease, body=lease, named="the Lease")

    def _announce(self) -> None:
        found = self._applier.call("GET", self._slice, named="the EndpointSlice")
        found["endpoints"] = [{"addresses": [self._address], "conditions": {"ready": True}}]
        self._applier.call("PUT", self._slice, body=found, named="the EndpointSlice")
        self._announced = True


def _seen(lease: dict[str, Any], now: float, seconds: float) -> Seen:
    spec = lease.get("spec") or {}
    return Seen(
        holder=spec.get("holderIdentity") or "",
        version=lease["metadata"]["resourceVersion"],
        seconds=float(spec.get("leaseDurationSeconds") or seconds),
        since_seconds=now,
    )


def _held(lease: dict[str, Any], identity: str, seconds: float) -> dict[str, Any]:
    """The lease in somebody's hands, at the version that was read."""
    spec = lease.get("spec") or {}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    changed = spec.get("holderIdentity", "") != identity
    return {
        **lease,
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": int(seconds),
            "acquireTime": now if changed else spec.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(spec.get("leaseTransitions", 0)) + changed,
        },
    }
