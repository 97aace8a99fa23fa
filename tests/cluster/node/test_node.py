"""The real node: pods run on it, their logs are read, and `down` and a crash leave nothing of it."""

import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.cluster.node import dns_pods
from turnout.domain.errors import InvalidInputError, RefusedError
from turnout.fabric import cgroups, marks
from turnout.fabric.board import Board
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.state import State
from turnout.lab.cluster import network, plane
from turnout.lab.cluster.addons.names import NODE
from turnout.lab.cluster.credentials import NODE_NAME
from turnout.lab.cluster.down import down
from turnout.lab.cluster.up import Shape, running

SECONDS = 60.0


def address_of(cluster):
    """The node's address."""
    return cluster.url.removeprefix("https://").rsplit(":", 1)[0]


def resolved(server, name):
    """Ask a DNS server for the address of a name; None where there is none."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(query, (server, 53))
        answer = asking.recv(512)
    answers = struct.unpack(">H", answer[6:8])[0]
    return socket.inet_ntoa(answer[-4:]) if answers else None


def test_a_pod_runs_and_its_service_has_a_name(cluster, writer, space):
    """A pod becomes Ready, its Service's name resolves to the Service's address, and its log can be read."""
    dns_pods.running(cluster, writer, space, "one")
    made = writer.call("GET", f"/api/v1/namespaces/{space}/services/one")
    assert resolved(address_of(cluster), f"one.{space}.svc.cluster.local") == made["spec"]["clusterIP"]
    assert resolved(address_of(cluster), f"two.{space}.svc.cluster.local") is None
    (pod,) = writer.call("GET", f"/api/v1/namespaces/{space}/pods")["items"]
    assert pod["spec"]["nodeName"] == NODE_NAME
    assert "CoreDNS-1." in log(cluster, space, pod["metadata"]["name"])


def log(cluster, space, pod):
    """A pod's log, which the API server asks the kubelet for."""
    token = json.loads(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    answer = httpx.get(
        f"{cluster.url}/api/v1/namespaces/{space}/pods/{pod}/log",
        headers={"authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=cluster.authority),
    )
    return answer.raise_for_status().text


def command(verb, root, *options):
    """The command, as a user calls it."""
    return subprocess.run(
        [sys.executable, "-m", "turnout", "lab", "cluster", verb, "--state", root, *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


PLACES = (
    "/run/containerd", "/run/netns", "/run/runc", "/var/lib/kubelet", "/var/lib/cni",
    "/var/lib/containerd", "/var/log/pods", "/var/log/containers", "/opt/containerd", "/etc/cni",
    "/usr/libexec/kubernetes",
)  # fmt: skip
"""Where container runtimes, network plugins and kubelets leave what nobody told them to put elsewhere."""


def traces(root):
    """What a node could leave on this machine outside of its state directory."""
    places = [[str(file) for file in sorted(Path(place).glob("*"))] for place in PLACES]
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    chains = [line for line in rules.splitlines() if "KUBE" in line or "CNI" in line]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(root) in line]
    groups = list(cgroups.ROOT.glob(f"*/{cgroups.name(marks.lab_id(root))}"))
    return [Path(place).exists() for place in PLACES], places, chains, mounts, groups


@pytest.mark.parametrize("how", ["down", "killed"])
def test_nothing_is_left(tmp_path, how):
    """With pods at work, `down` and a killed supervisor leave no process, mount, group, rule or folder."""
    before = traces(tmp_path)
    assert command("up", tmp_path, "--bare", "--with", NODE).returncode == 0
    record = plane.read(tmp_path)
    try:
        with Applier(record.kubeconfig) as writer:
            dns_pods.running(record, writer, "default", "one")
        assert len(cgroups.members(marks.lab_id(tmp_path))) == 2  # the pod's two processes
        if how == "killed":
            os.kill(Board(State(tmp_path)).supervisor(), signal.SIGKILL)
            until = time.monotonic() + SECONDS
            while Board(State(tmp_path)).supervisor() is not None and time.monotonic() < until:
                time.sleep(0.2)
        else:
            assert down(tmp_path)
        until = time.monotonic() + SECONDS
        while network.exists(record.interface) and time.monotonic() < until:
            time.sleep(0.2)
        assert not marks.marked(marks.lab_id(tmp_path))
        assert not network.exists(record.interface)
        assert traces(tmp_path) == before
    finally:
        down(tmp_path)


def test_a_node_needs_a_place_of_its_own(tmp_path):
    """Without a network namespace, or where it would hide its own state, a node is refused at once."""
    with (
        pytest.raises(RefusedError, match="--loopback"),
        running(tmp_path, Shape(loopback=True, addons=(NODE,)), say=print),
    ):
        pass
    with (
        pytest.raises(InvalidInputError, match="/var"),
        running(
            Path("/var/turnout-test"),
            Shape(addons=(NODE,)),
            say=print,
        ),
    ):
        pass
    assert not Path("/var/turnout-test").exists()
