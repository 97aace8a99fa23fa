"""A model moves on the cluster: KServe out, Triton in, under live traffic, by the users' own commands alone.

Turnout is installed on the node and its own worker runs the flows; KServe's controller makes legacy; clients
outside call KServe's ingress, then the Gateway. The first candidate loses its servers in its canary and is
taken back; the second one gets all the traffic.
"""

import re
import shutil
import time

import httpx
import pytest

from tests.cluster.node.callers import Clients
from tests.cluster.node.installing import call, give_models, in_worker, kubectl, prefect, run, start
from tests.cluster.node.test_kserve import ROWS, runtime, service, volume
from tests.waiting import until
from turnout.domain.route import Backend
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.addons.kserve import DOMAIN
from turnout.lab.cluster.node import overlay

PATH = "/v2/models/iris/infer"
TENSOR = {
    "name": "input-0",
    "shape": [2, 4],
    "datatype": "FP64",
    "data": [each for row in ROWS for each in row],
}
BODY = {"inputs": [TENSOR]}
LONGEST_SECONDS = 900.0
NOBODY = 65532
"""Whom Turnout's pods run as."""


@pytest.fixture
def legacy(cluster, writer, space, image, models):
    """An InferenceService whose clients speak V2, in a namespace that Turnout may move models in."""
    give_models(cluster, space)
    item = service(space)
    item["spec"]["predictor"]["model"]["protocolVersion"] = "v2"
    item["metadata"]["annotations"] = {"turnout.dev/owner": "anna"}
    try:
        writer.apply([*volume(space, models), runtime(space, image), item])
        objects.wait(writer, item, objects.condition("Ready"))
        yield item
    finally:
        writer.delete(item)
        writer.delete(volume(space, models)[0])


@pytest.fixture
def copied(cluster, installed, models):
    """Turnout, with the model's files where flows read what `pvc://models` names."""
    assert installed
    folder = cluster.root / "volumes" / "turnout-state" / "models"
    shutil.copytree(models / "iris", folder / "iris", dirs_exist_ok=True)
    for each in (folder, *folder.rglob("*")):
        shutil.chown(each, NOBODY, NOBODY)


@pytest.fixture
def router(writer):
    """What the route says, read only."""
    place = Place("turnout", "turnout", None, overlay.HOSTNAME)
    return GatewayRouter(writer, place, sentinel=Backend(name="unused", port=1))


class Migration:
    """One run of `migrate`, as its owner sees it.

    Args:
        cluster: The cluster.
        api: URL of Prefect's API.
        home: Folder of Prefect's client.
    """

    def __init__(self, cluster, api, home, *arguments):
        """Start it."""
        self._cluster, self._api = cluster, api
        said = start(api, home, "migrate", "--param", "model=iris", *arguments)
        self.run = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said)[0]
        self.began, self.told = time.monotonic(), ""

    def state(self):
        """Its state; whatever it asks is approved by the model's owner."""
        state = call(self._api, "GET", f"flow_runs/{self.run}")["state"]
        if state["name"] != self.told:
            self.told = state["name"]
            print(
                f"[{time.monotonic() - self.began:5.0f} s] migrate: {self.told}: {state['message']}",
                flush=True,
            )
        if state["type"] == "PAUSED" and state["state_details"].get("run_input_keyset"):
            code = in_worker(self._cluster, "turnout", "code", "anna").strip()
            answer = {"decision": "approve", "code": code, "reason": "Within my bounds."}
            call(self._api, "POST", f"flow_runs/{self.run}/resume", {"run_input": answer})
        return state

    def ended(self):
        """How it ended, once it has."""
        state = self.state()
        return state if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

    def logs(self):
        """What it said last."""
        asked = {"logs": {"flow_run_id": {"any_": [self.run]}}, "sort": "TIMESTAMP_DESC", "limit": 40}
        return "\n".join(each["message"] for each in reversed(call(self._api, "POST", "logs/filter", asked)))

    def end(self):
        """Wait for its end: the name of its state."""
        state = until(self.ended, "the end of the migration", LONGEST_SECONDS)
        if state["name"] not in {"Cut over", "Rolled back"}:
            print(self.logs())
        return state["name"]


@pytest.mark.usefixtures("copied")
def test_a_model_moves_to_triton_and_a_broken_candidate_does_not(cluster, legacy, router, tmp_path):
    """No client is failed from the first request at KServe's ingress to the last one at the Gateway."""
    space = legacy["metadata"]["namespace"]
    host, old = f"iris-{space}.{DOMAIN}", cluster.gateway
    new = f"{cluster.gateway.rpartition(':')[0]}:{overlay.PORT}"
    in_worker(cluster, "turnout", "code", "anna", "--enrol")
    with prefect(cluster) as api, Clients(host, old, PATH, BODY) as clients:
        assert f"{space}/iris" in run(api, tmp_path, "discover")
        clients.move(old)
        print(in_worker(cluster, "turnout", "route", "register", "iris"))
        until(lambda: asked(new, host) == 200, "an answer of the Gateway")
        clients.move(new)
        run(api, tmp_path, "plan")

        first = Migration(cluster, api, tmp_path)
        until(
            lambda: first.ended() or router.read("iris").weight == 0.5, "half of the traffic", LONGEST_SECONDS
        )
        assert not first.ended(), first.logs()
        kubectl(cluster, f"--namespace={space}", "scale", "deployment", "triton-iris-1", "--replicas=0")
        broken = time.monotonic()
        until(lambda: router.read("iris").weight == 0.0, "the way back", LONGEST_SECONDS)
        print(f"taken back {time.monotonic() - broken:.1f} s after its servers were told to end")
        assert first.end() == "Rolled back"

        second = Migration(cluster, api, tmp_path, "--param", "again=true")
        assert second.end() == "Cut over", second.logs()
        assert router.read("iris").weight >= 0.95
        clients.move(new)
    statuses = [status for *_, status, _ in clients.answers]
    print(f"{len(statuses)} client requests, {sum(each != 200 for each in statuses)} failed")
    assert set(statuses) == {200}, [each for each in clients.answers if each[2] != 200][:5]


def asked(address, host):
    """The status of one request at an address."""
    return httpx.post(f"http://{address}{PATH}", headers={"host": host}, json=BODY, timeout=30).status_code
