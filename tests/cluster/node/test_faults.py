"""What Turnout stands on breaks under live traffic, one thing after another; no client is failed by it.

What is broken is ended without a word: pods without a grace period, processes by SIGKILL, the API server by
SIGSTOP.
"""

import os
import signal
import time

import pytest

from runtimes.kubernetes.pods import INSTANCE
from tests.cluster.node.installing import WITHIN_SECONDS, kubectl
from tests.cluster.node.kserve_models import TENSOR
from tests.cluster.node.migrating import halfway, judged
from tests.cluster.node.pods import pods, process_of, ready
from tests.waiting import until
from turnout.fabric.board import Board
from turnout.fabric.state import State

MODEL, ATTEMPT = "flowers", "flowers-1"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/turnout/leases/turnout-sentinel"
WORKER = "app.kubernetes.io/name=turnout-worker"
PROXIES, OF_THE_GATEWAY = "envoy-gateway-system", "gateway.envoyproxy.io/owning-gateway-namespace=turnout"
CONTROLLER = "control-plane=envoy-gateway"
SENTINEL = "turnout.services.sentinel"
ENOUGH = 50
"""Answers of the candidate, in a row of all clients, that show that it is trusted."""
AWAY_SECONDS = 30.0
NOW = ("--grace-period=0", "--force")


class Fault:
    """Something that breaks, and what clients are told from then on, told apart by who answers.

    Args:
        what: Its name.
        clients: The clients.
    """

    def __init__(self, what, clients):
        """It begins."""
        self._what, self._clients = what, clients
        self._began, self._from = time.monotonic(), len(clients.answers)

    def trusted_again(self):
        """Wait until the candidate answers, and go on doing so."""
        begun = len(self._clients.answers)
        until(lambda: self._by_candidate(begun) > ENOUGH, "the candidate's answers", WITHIN_SECONDS)

    def over(self, how):
        """Say how it went."""
        failed = sum(status != 200 for *_, status, _ in self._clients.answers[self._from :])
        print(f"{self._what}: {how} after {time.monotonic() - self._began:.1f} s, {failed} clients failed")

    def _by_candidate(self, begun):
        """How many answers came of Triton: KServe's server gives each an `id` of its own."""
        return sum(status == 200 and '"id"' not in text for *_, status, text in self._clients.answers[begun:])


class Estate:
    """The cluster as who breaks it sees it."""

    def __init__(self, cluster, writer):
        """Know how to reach it."""
        self._cluster, self._writer = cluster, writer

    def any(self, namespace, chosen):
        """Name of a pod that some labels choose."""
        return next(iter(pods(self._writer, namespace, chosen)))

    def others(self, namespace, chosen, name):
        """Names of ready pods but one."""
        return ready(pods(self._writer, namespace, chosen)) - {name}

    def delete(self, namespace, pod, *how):
        """Delete a pod, and wait for nothing."""
        kubectl(self._cluster, f"--namespace={namespace}", "delete", "pod", pod, "--wait=false", *how)

    def evict(self, namespace, pod):
        """Evict a pod at once, where its budget lets it go."""
        path, named = (
            f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction",
            {"name": pod, "namespace": namespace},
        )
        asked = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named}
        self._writer.call("POST", path, None, asked | {"deleteOptions": {"gracePeriodSeconds": 0}})

    def leader(self):
        """Name of the pod whose sentinel holds the Lease."""
        return self._writer.call("GET", LEASE)["spec"].get("holderIdentity", "")

    def stop(self, name):
        """Stop a server of the control plane; returns its process."""
        pid = Board(State(self._cluster.root)).observed(name).status.pid
        os.kill(pid, signal.SIGSTOP)
        return pid


@pytest.fixture
def estate(cluster, writer):
    """The cluster."""
    return Estate(cluster, writer)


def test_nothing_that_breaks_fails_a_client(estate, moving, router, desk):
    """Worker, sentinel, proxy, API server, and last the candidate itself, which may be taken back for it."""
    model = moving(MODEL, "v2", f"/v2/models/{MODEL}/infer", {"inputs": [TENSOR]})
    with model.clients() as clients:
        migration = halfway(desk, router, model, clients)

        fault = Fault("worker's pod deleted in a canary", clients)
        estate.delete("turnout", estate.any("turnout", WORKER), *NOW)
        assert migration.end() == "Cut over", migration.logs()
        fault.over("cut over")
        weight = router.read(MODEL).weight
        assert weight >= 0.95

        fault = Fault("leading sentinel killed", clients)
        leader = estate.leader()
        killed = process_of(leader, SENTINEL)
        os.kill(killed, signal.SIGKILL)
        until(
            lambda: estate.leader() != leader or process_of(leader, SENTINEL) not in {None, killed},
            "the other one, or one in its place", WITHIN_SECONDS,
        )  # fmt: skip
        fault.trusted_again()
        fault.over("the candidate is trusted again")

        fault = Fault("proxy replaced", clients)
        proxy = estate.any(PROXIES, OF_THE_GATEWAY)
        estate.delete(PROXIES, proxy)
        until(lambda: len(estate.others(PROXIES, OF_THE_GATEWAY, proxy)) > 1, "two proxies", WITHIN_SECONDS)
        fault.trusted_again()
        fault.over("the candidate is trusted again")

        fault = Fault(f"API server away for {AWAY_SECONDS:g} s", clients)
        pid = estate.stop("kube-apiserver")
        try:
            time.sleep(AWAY_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)
        fault.trusted_again()
        fault.over("the candidate is trusted again")
        assert router.read(MODEL).weight == weight
        assert router.tombstone(MODEL, ATTEMPT) is None
        # Envoy Gateway's controller gives up after 20 s, and is started again.
        until(lambda: estate.others(PROXIES, CONTROLLER, None), "its controller", WITHIN_SECONDS)

        fault = Fault("the only server evicted", clients)
        chosen = f"{INSTANCE}=triton-{ATTEMPT}"
        candidate = estate.any(model.space, chosen)
        estate.evict(model.space, candidate)
        until(
            lambda: router.read(MODEL).weight == 0.0 or estate.others(model.space, chosen, candidate),
            "a decision, or another server", WITHIN_SECONDS,
        )  # fmt: skip
        stone = router.tombstone(MODEL, ATTEMPT)
        fault.over(f"taken back for {stone.reason}" if stone else "another serves")
        assert stone is None or stone.by == "sentinel"
        clients.move(model.new)
    judged(clients)
