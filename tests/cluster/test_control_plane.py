"""The control plane itself: two side by side, service accounts, and nothing left, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from turnout.domain.errors import InvalidInputError, NotFoundError, RefusedError
from turnout.fabric import marks
from turnout.fabric.board import Board
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.state import State
from turnout.lab.cluster import network, plane
from turnout.lab.cluster.down import down
from turnout.lab.cluster.up import Shape, running

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "default"}}


def command(verb, root, *options):
    """The command, as a user calls it: what it leaves running is not this process's child."""
    return subprocess.run(
        [sys.executable, "-m", "turnout", "lab", "cluster", verb, "--state", root, *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def risen(root, *options):
    """A cluster that the command brought up and left running."""
    done = command("up", root, "--bare", *options)
    assert done.returncode == 0, done.stderr
    return plane.read(root)


def gone(root, interface):
    """Whether nothing is left of a cluster: no process, no interface."""
    until = time.monotonic() + 60
    while marks.marked(marks.lab_id(root)) or (interface and network.exists(interface)):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


@pytest.mark.parametrize("loopback", [True, False])
def test_a_cluster_comes_back_with_what_it_stored_and_leaves_nothing(control_plane, tmp_path, loopback):
    """Beside another one a cluster goes up, down and up again with its objects, and `down` leaves nothing."""
    first = risen(tmp_path, *(["--loopback"] if loopback else []))
    try:
        assert first.url != control_plane.url
        assert (first.interface is None) == (loopback or not network.available())
        with Applier(first.kubeconfig) as applier:
            applier.apply([{**MAP, "data": {"is": "kept"}}])
        again = command("up", tmp_path, "--bare")
        assert again.returncode == 1
        assert "up already" in again.stderr
        assert command("status", tmp_path).returncode == 0
    finally:
        assert "is down" in command("down", tmp_path).stdout
    assert gone(tmp_path, first.interface)
    with (
        running(tmp_path, Shape(loopback=loopback, bare=True), say=print) as again,
        Applier(again.kubeconfig) as applier,
    ):
        assert applier.call("GET", "/api/v1/namespaces/default/configmaps/kept")["data"] == {"is": "kept"}
    assert gone(tmp_path, again.interface)
    assert not down(tmp_path)


def test_a_killed_supervisor_takes_everything_with_it(tmp_path):
    """Kill -9 on the supervisor: its processes, the namespace and the interface go without anybody's help."""
    first = risen(tmp_path)
    try:
        os.kill(Board(State(tmp_path)).supervisor(), signal.SIGKILL)
        assert gone(tmp_path, first.interface)
    finally:
        down(tmp_path)


def test_a_killed_caller_takes_everything_with_it(tmp_path):
    """Whoever holds a cluster in a block and is killed leaves nothing behind."""
    program = (
        "import sys, time; from pathlib import Path; from turnout.lab.cluster.up import Shape, running\n"
        "with running(Path(sys.argv[1]), Shape(bare=True), say=print):\n"
        "    print('up', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True
    ) as held:
        for line in held.stdout:
            if line == "up\n":
                break
        interface = plane.read(tmp_path).interface
        held.send_signal(signal.SIGKILL)
    assert gone(tmp_path, interface)


def test_a_service_account_is_nobody_until_it_is_bound(control_plane, namespace):
    """A service account's kubeconfig holds, and reads nothing that no role grants."""
    with Applier(control_plane.kubeconfig_of(f"{namespace}/default")) as applier:
        me = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        said = applier.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=me)
        assert said["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"
        with pytest.raises(RefusedError, match="forbidden"):
            applier.call("GET", "/api/v1/nodes")
    with pytest.raises(NotFoundError, match="nobody"):
        control_plane.kubeconfig_of(f"{namespace}/nobody")


def test_an_object_that_is_wrong_is_named(applier, namespace):
    """An unknown field, and a kind that is not served, are each one line about the object."""
    wrong = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace},
        "dta": {},
    }
    with pytest.raises(InvalidInputError, match=r"ConfigMap .*/a: .*dta"):
        applier.apply([wrong])
    with pytest.raises(NotFoundError, match="Unheard"):
        applier.apply([{"apiVersion": "v1", "kind": "Unheard", "metadata": {"name": "a"}}])


def test_no_process_of_the_cluster_is_outside_its_namespace(control_plane):
    """With a namespace of its own, every process of the cluster is in it: the kernel ends it with them."""
    if control_plane.interface is None:
        pytest.skip("on loopback there is no namespace")
    here = Path("/proc/self/ns/net").readlink()
    there = {Path(f"/proc/{p.pid}/ns/net").readlink() for p in marks.marked(marks.lab_id(control_plane.root))}
    assert len(there) == 1
    assert there != {here}
    assert not [c for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == 6443]
