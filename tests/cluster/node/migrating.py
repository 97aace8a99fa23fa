"""A model that moves on the node, as those who move it see it: legacy, its runs and its gates."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.cluster.node.callers import Clients
from tests.cluster.node.installing import (
    ENDS,
    at_desk,
    call,
    give_models,
    kubectl,
    owner,
    run,
    start,
    state_of,
)
from tests.cluster.node.kserve_models import service
from tests.waiting import until
from turnout.lab.cluster.addons.kserve import DOMAIN
from turnout.lab.cluster.node import overlay
from turnout.lab.cluster.plane import ControlPlane
from turnout.settings_file import VARIABLE

LONGEST_SECONDS = 1200.0
READY_WITHIN_SECONDS = 240
NOBODY = 65532
"""Whom Turnout's pods run as."""


class Moving:
    """A model whose legacy is an InferenceService, and what of it is called.

    Args:
        cluster: The cluster.
        settings: File with the settings of the installation, for who administers it.
        item: The InferenceService.
        path: What clients call.
        bodies: What they send.
    """

    def __init__(self, cluster, settings, item, path, *bodies):
        """Know where it is."""
        self.name, self.space = item["metadata"]["name"], item["metadata"]["namespace"]
        self.host, self.path, self.bodies = f"{self.name}-{self.space}.{DOMAIN}", path, bodies
        self.old, self.new = cluster.gateway, f"{cluster.gateway.rpartition(':')[0]}:{overlay.PORT}"
        self._cluster, self._settings = cluster, settings

    def with_files(self, models):
        """Let Turnout move it, with its files where flows read what `pvc://models` names."""
        give_models(self._cluster, self.space)
        folder = self._cluster.root / "volumes" / "turnout-state" / "models"
        shutil.copytree(models / self.name, folder / self.name, dirs_exist_ok=True)
        for each in (folder, *folder.rglob("*")):
            shutil.chown(each, NOBODY, NOBODY)
        return self

    def register(self):
        """Put the route in front of legacy, with a person's rights; return when it answers."""
        done = subprocess.run(
            [sys.executable, "-m", "turnout", "route", "register", self.name],
            env={**os.environ, VARIABLE: str(self._settings)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout)
        assert done.returncode == 0, done.stderr
        until(lambda: self.asked(self.new) == 200, "an answer of the Gateway")

    def clients(self, **how):
        """Its clients, once it is ready; its name leads them to KServe's ingress at first."""
        there = f"--namespace={self.space}"
        ready = ("--for=condition=Ready", f"--timeout={READY_WITHIN_SECONDS}s")
        kubectl(self._cluster, there, "wait", f"inferenceservice/{self.name}", *ready)
        return Clients(self.host, self.old, self.path, *self.bodies, **how)

    def asked(self, address):
        """The status of one request at an address."""
        url, headers = f"http://{address}{self.path}", {"host": self.host}
        return httpx.post(url, headers=headers, json=self.bodies[0], timeout=60).status_code


@dataclass(frozen=True)
class Desk:
    """Where runs are started, and gates answered.

    Attributes:
        cluster: The cluster.
        api: URL of Prefect's API.
        variables: Job variables of each run.
    """

    cluster: ControlPlane
    api: str
    variables: Mapping[str, str] = field(default_factory=dict)


class Migration:
    """One run of `migrate`, as the model's owner sees it.

    Args:
        desk: Where it is started.
        model: The model.
        parameters: Further ones of the flow.
    """

    def __init__(self, desk, model, **parameters):
        """Start it."""
        self._cluster, self._api, self._model = desk.cluster, desk.api, model
        self.run = start(desk.api, "migrate", desk.variables, model=model, **parameters)
        self.began, self.told = time.monotonic(), ""

    def state(self):
        """Its state, asked for now and then; whatever it asks is approved by the model's owner."""
        state = state_of(self._api, self.run)
        if state["name"] != self.told:
            self.told = state["name"]
            at = time.monotonic() - self.began
            print(f"[{at:5.0f} s] migrate {self._model}: {self.told}: {state['message']}", flush=True)
        if state["type"] == "PAUSED" and state["state_details"].get("run_input_keyset"):
            code = at_desk(self._cluster, "turnout", "code", owner(self._model)).strip()
            answer = {"decision": "approve", "code": code, "reason": "Within my bounds."}
            call(self._api, "POST", f"flow_runs/{self.run}/resume", {"run_input": answer})
        return state

    def ended(self):
        """How it ended, once it has."""
        state = self.state()
        return state if state["type"] in ENDS else None

    def until(self, found, what):
        """Wait for something that comes about before its end; answers its gates meanwhile."""
        until(lambda: self.ended() or found(), what, LONGEST_SECONDS)
        assert not self.ended(), self.logs()

    def logs(self):
        """What it and its phases said last."""
        runs = {"flow_runs": {"parent_flow_run_id": {"any_": [self.run]}}}
        ids = [self.run, *(each["id"] for each in call(self._api, "POST", "flow_runs/filter", runs))]
        asked = {"logs": {"flow_run_id": {"any_": ids}}, "sort": "TIMESTAMP_DESC", "limit": 60}
        return "\n".join(each["message"] for each in reversed(call(self._api, "POST", "logs/filter", asked)))

    def end(self):
        """Wait for its end: the name of its state."""
        state = until(self.ended, "the end of the migration", LONGEST_SECONDS)
        if state["name"] not in {"Cut over", "Rolled back"}:
            print(self.logs())
        return state["name"]


def legacy(space, name, protocol):
    """An InferenceService with an owner, whose clients speak a protocol."""
    item = service(space, name)
    item["spec"]["predictor"]["model"]["protocolVersion"] = protocol
    item["metadata"]["annotations"] = {"turnout.dev/owner": owner(name)}
    return item


def prepared(desk, *moving):
    """Everything before `migrate`: the estate is known, and the clients have come to the Gateway.

    Args:
        desk: Where runs are started.
        moving: Each model, with its clients.
    """
    estate = run(desk.api, "discover", desk.variables)
    assert all(f"{model.space}/{model.name}" in estate for model, _ in moving)
    with ThreadPoolExecutor() as beside:
        list(beside.map(_come_to_the_gateway, moving))
    run(desk.api, "plan", desk.variables)


def _come_to_the_gateway(moving):
    """A model's clients, step by step."""
    model, clients = moving
    clients.move(model.old)
    model.register()
    clients.move(model.new)


def halfway(desk, router, model, clients):
    """A migration of the model, from nothing known of it to half of its traffic on the candidate."""
    prepared(desk, (model, clients))
    return at_half(desk, router, model.name)


def at_half(desk, router, model, **parameters):
    """A migration of a model that is prepared, with half of the traffic on the candidate."""
    migration = Migration(desk, model, **parameters)
    migration.until(lambda: router.read(model).weight == 0.5, "half of the traffic")
    return migration


def cut_over(desk, router, model, **parameters):
    """Move a model, whose owner approves of it at each gate."""
    ends_cut_over(Migration(desk, model, **parameters), router, model)


def ends_cut_over(migration, router, model):
    """A migration of a model that is under way comes to its good end."""
    assert migration.end() == "Cut over", migration.logs()
    assert router.read(model).weight >= 0.95


def judged(clients, fault=lambda status, _text: status != 200):
    """No client was failed.

    Args:
        clients: The clients.
        fault: What is wrong with a status and a text, or nothing.
    """
    failed = [each for each in clients.answers if fault(*each[2:])]
    print(f"{clients.host}: {len(clients.answers)} client requests, {len(failed)} failed")
    assert not failed, failed[:5]
