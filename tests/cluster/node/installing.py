"""Turnout installed on the node by the commands of docs/kubernetes.md, and its Prefect as users reach it."""

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import yaml

from tests.cluster import shipped
from tests.waiting import until
from turnout.fabric.environments import project_root
from turnout.fabric.kubernetes import kustomize

WORD = "turnout:a-word-of-the-users"
OWNERS = {"anna": ["iris", "flowers"], "ben": ["topics", "smollm"]}
"""Of models, by who answers at their gates."""
WITHIN_SECONDS = 600.0
_LOOK_SECONDS = 1.0
ENDS = {"COMPLETED", "FAILED", "CANCELLED"}
"""Types of states that are ends; a crashed run is started again."""
_V2 = """
model: {model}
wire: v2
inputs:
  - {{name: input-0, datatype: FP64, shape: [-1, 4]}}
outputs:
  - {{name: output-0, datatype: INT64, shape: [-1]}}
same_answer: {{kind: labels}}
bounds: {{errors: 0.02, slow: 0.05, differs: 0.02, slow_seconds: 1.0}}
rollout:
  steps: [0.5]
  step_longest_seconds: 240
  gate_longest_seconds: 1800
  shadow_samples: 60
  shadow_longest_seconds: 240
  capture_share: 0.5
  noise_share: 1.0
policy: {{request_seconds: 30, try_seconds: 2.0, replayable: true}}
"""
_OF_THE_LAB = project_root() / "turnout" / "lab" / "estate" / "contracts"


def _of_the_lab(model, **changed):
    """The lab's contract of a model, with other figures in some of its parts."""
    said = yaml.safe_load((_OF_THE_LAB / f"{model}.yaml").read_text())
    return yaml.safe_dump(said | {part: said[part] | figures for part, figures in changed.items()})


# A text takes seconds here: these bounds are what two dozen of them can show.
_WIDE = {"errors": 0.3, "slow": 0.4, "differs": 0.4, "first_token": 0.4}
CONTRACTS = {
    **{model: _V2.format(model=model) for model in ("iris", "flowers")},
    "topics": _of_the_lab("topics"),
    "smollm": _of_the_lab("smollm", bounds=_WIDE, rollout={"shadow_samples": 15}),
}
"""By model: some clients speak V2 here that speak V1 in the lab."""


def give(cluster, contracts):
    """Make what docs/kubernetes.md asks the user of the laptop's overlay for.

    Args:
        cluster: The cluster.
        contracts: Folder of the contracts.
    """
    owners = {"owners": {who: {"name": who.title(), "models": models} for who, models in OWNERS.items()}}
    for each in (
        ("secret", "generic", "turnout-postgres", "--from-literal=password=0123456789abcdef"),
        ("secret", "generic", "turnout-prefect", f"--from-literal=auth-string={WORD}"),
        ("secret", "generic", "turnout-objects", "--from-literal=access-key=turnout",
         "--from-literal=secret-key=0123456789abcdef"),
        ("configmap", "turnout-contracts", f"--from-file={contracts}"),
        ("configmap", "turnout-owners", f"--from-literal=owners.yaml={json.dumps(owners)}"),
    ):  # fmt: skip
        kubectl(cluster, "--namespace=turnout", "create", *each)


def give_models(cluster, space):
    """Let Turnout move the models of a namespace."""
    kubectl(cluster, "label", "namespace", space, "turnout.dev/models=true")
    rights = project_root() / "deployments" / "kubernetes" / "models"
    kubectl(cluster, "apply", "--server-side", f"--namespace={space}", "-k", str(rights))


def owner(model):
    """Who answers at a model's gates."""
    (found,) = (who for who, models in OWNERS.items() if model in models)
    return found


def kubectl(cluster, *arguments):
    """What kubectl says; it has to succeed."""
    status, said = shipped.kubectl(cluster, *arguments)
    assert status == 0, said
    return said


def at_desk(cluster, *arguments):
    """What a command says in the pod that is there for people's commands."""
    return kubectl(cluster, "--namespace=turnout", "exec", "deploy/turnout-desk", "--", *arguments)


def command(cluster, verb, *arguments):
    """The command, as a user calls it."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "turnout", verb, *arguments, "--kubeconfig", cluster.kubeconfig],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(f"turnout {verb}: {time.monotonic() - began:.0f} s\n{done.stdout}{done.stderr}")
    return done


@contextmanager
def prefect(cluster):
    """Prefect's API as its users reach it."""
    forward = ("--namespace=turnout", "port-forward", "service/turnout-prefect", ":4200")
    with subprocess.Popen(
        [kustomize.kubectl(), f"--kubeconfig={cluster.kubeconfig}", *forward],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())[1]
            yield f"http://127.0.0.1:{port}/api"
        finally:
            process.terminate()


def start(api, flow, variables, **parameters):
    """Start a flow in the cluster, as Prefect's pages do; returns the run's id.

    Args:
        api: URL of Prefect's API.
        flow: The flow, whose deployment is `turnout`.
        variables: Job variables of the run.
        parameters: Parameters of the flow.
    """
    deployment = call(api, "GET", f"deployments/name/{flow}/turnout")["id"]
    made = {"parameters": parameters, "job_variables": dict(variables), "state": {"type": "SCHEDULED"}}
    return call(api, "POST", f"deployments/{deployment}/create_flow_run", made)["id"]


def run(api, flow, variables):
    """Run a flow in the cluster and wait for its end; then what its page shows of the estate."""
    ran, began = start(api, flow, variables), time.monotonic()
    state = until(lambda: _ended(api, ran), f"the end of {flow}", WITHIN_SECONDS)
    print(f"{flow}: {time.monotonic() - began:.0f} s")
    assert state["type"] == "COMPLETED", state
    asked = {"artifacts": {"key": {"any_": [f"estate-{flow}"]}}}
    return call(api, "POST", "artifacts/latest/filter", asked)[0]["data"]


def _ended(api, ran):
    state = state_of(api, ran)
    return state if state["type"] in ENDS else None


def state_of(api, ran):
    """The state of a run, asked for now and then."""
    time.sleep(_LOOK_SECONDS)
    return call(api, "GET", f"flow_runs/{ran}")["state"]


def call(api, method, path, body=None, *, tries=3):
    """What Prefect's API answers; what is only read is asked for again where nothing was heard."""
    asked = {"json": body, "auth": tuple(WORD.split(":")), "timeout": 30}
    try:
        return _CLIENT.request(method, f"{api}/{path}", **asked).raise_for_status().json()
    except httpx.TransportError:
        if method != "GET" or tries == 1:
            raise
    return call(api, method, path, body, tries=tries - 1)


_CLIENT = httpx.Client(limits=httpx.Limits(keepalive_expiry=2.0))
"""Its connections stay: a new one through the API server costs more than what is asked."""
