"""Two sentinels behind one Lease, as real processes against a real API server, with the shipped account."""

import signal
import subprocess
import sys
import time

import httpx
import pytest

from tests.cluster import shipped
from tests.contract.router.conftest import free_port
from turnout.domain.errors import TurnoutError
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.kubernetes.lease import LEASE_SECONDS, RENEW_SECONDS, Election
from turnout.settings import Settings

LEASE = "/apis/coordination.k8s.io/v1/namespaces/turnout/leases/turnout-sentinel"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/turnout/endpointslices/turnout-sentinel"
START_SECONDS = 120.0
"""To load on a busy machine."""


@pytest.fixture(scope="module")
def shipped_lease(applier):
    """Lease, EndpointSlice and account as they are shipped."""
    kinds = {"ServiceAccount", "Lease", "EndpointSlice", "Role", "RoleBinding", "Service"}
    made = [
        each
        for each in sorted(shipped.rendered("laptop"), key=lambda each: each["kind"] == "EndpointSlice")
        if each["kind"] in kinds and each["metadata"]["name"] == "turnout-sentinel"
    ]
    applier.apply([shipped.NAMESPACE, *made])
    yield made
    shipped.remove(applier)


class Replica:
    """One sentinel."""

    def __init__(self, root, name, kubeconfig):
        """Start it."""
        folder = root / name
        folder.mkdir()
        self.name, self.port, self.address = name, free_port(), f"198.18.255.{ord(name)}"
        Settings(
            state=root / "state", manifests=folder, contracts=folder, pools=folder / "pools",
            owners=folder / "owners",
        ).write(folder / "turnout.yaml")  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "turnout.services.sentinel", "--port", str(self.port),
             "--lease", "turnout/turnout-sentinel"],
            env={"KUBECONFIG": str(kubeconfig), "TURNOUT_SETTINGS": str(folder / "turnout.yaml"),
                 "POD_NAME": name, "POD_IP": self.address, "PATH": "", "NO_PROXY": "*"},
        )  # fmt: skip

    def healthy(self):
        """Whether its own health endpoint says so."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False).is_success
        except httpx.HTTPError:
            return False


@pytest.fixture
def replicas(shipped_lease, control_plane, tmp_path):  # noqa: ARG001 -- it has to be there
    """Two of them, as the shipped account."""
    kubeconfig = control_plane.kubeconfig_of("turnout/turnout-sentinel")
    (tmp_path / "state").mkdir()
    made = {name: Replica(tmp_path, name, kubeconfig) for name in "ab"}
    yield dict(made)
    for each in made.values():
        each.process.kill()
        each.process.wait()


def holder(applier):
    """Who holds the Lease."""
    return (applier.call("GET", LEASE).get("spec") or {}).get("holderIdentity", "")


def led_to(applier):
    """Where the Service leads."""
    return [a for each in applier.call("GET", SLICE)["endpoints"] or [] for a in each["addresses"]]


def waited(true, seconds):
    """How long it took to become true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "never came"
        time.sleep(0.1)
    return time.monotonic() - began


def test_one_leads_and_the_other_follows_it_when_it_is_killed(applier, replicas, shipped_lease):
    """Both are healthy and one holds the Lease; it is killed, and the other holds it within the lease's time.

    The Service leads to the holder alone, also when everything is installed once more meanwhile.
    Asked to end, the second one gives the Lease back at once.
    """
    waited(lambda: all(each.healthy() for each in replicas.values()) and holder(applier), START_SECONDS)
    first = replicas.pop(holder(applier))
    (second,) = replicas.values()
    waited(lambda: led_to(applier) == [first.address], 10)
    applier.apply(shipped_lease)  # installed again
    time.sleep(2 * RENEW_SECONDS)
    assert (holder(applier), led_to(applier)) == (first.name, [first.address])
    first.process.kill()
    first.process.wait()
    took = waited(lambda: holder(applier) == second.name, LEASE_SECONDS + 2 * RENEW_SECONDS + 2)
    print(f"taken over after {took:.1f} s")
    waited(lambda: led_to(applier) == [second.address], 10)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(20) == 0
    assert holder(applier) == ""


@pytest.mark.usefixtures("shipped_lease")
def test_of_many_that_ask_at_once_one_holds(control_plane):
    """Whatever the order of reads and writes, no two hold the lease at one moment of one clock."""
    now = [0.0]
    kubeconfig = control_plane.kubeconfig_of("turnout/turnout-sentinel")
    several = [
        Election(Applier(kubeconfig), "turnout/turnout-sentinel", identity=name, address="198.18.255.9",
                 clock=lambda: now[0])
        for name in ("x", "y", "z")
    ]  # fmt: skip
    held = set()
    for round_number in range(30):
        now[0] += 0.9
        for each in several[round_number // 12 :]:  # one after the other falls silent
            try:
                each.look()
            except TurnoutError:
                continue
        holding = [each._identity for each in several if each.holds()]
        assert len(holding) <= 1, holding
        held.update(holding)
    assert len(held) >= 2
    several[-1].end()
