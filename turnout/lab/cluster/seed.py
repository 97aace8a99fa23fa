"""What a new cluster's etcd begins with: the definitions, served once before and kept in the cache.

To take them in costs an API server three times the work of a start with them there. Bound to nothing of the
cluster that they were installed on: etcd and an API server on loopback, without controllers, nodes or users.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.processes import Processes
from turnout.fabric.state import State
from turnout.fabric.tether import tethered
from turnout.lab.cluster import definitions, programs, servers
from turnout.lab.cluster.credentials import ADMIN, Credentials


def ensure(program: Path, kinds: list[dict[str, Any]], say: Progress) -> None:
    """Make the folder of an etcd that has definitions, unless it is in the cache.

    Args:
        program: The control plane's binary.
        kinds: The definitions.
        say: Gets a line of text now and then.

    Raises:
        TurnoutError: A server did not start, or did not serve them in time.
    """
    with _kept(program, kinds, say):
        return


def plant(program: Path, kinds: list[dict[str, Any]], etcd: Path, say: Progress) -> bool:
    """Let an etcd that has stored nothing yet begin with definitions.

    Args:
        program: The control plane's binary.
        kinds: The definitions.
        etcd: The folder of the cluster's etcd.
        say: Gets a line of text now and then.

    Returns:
        Whether it does.

    Raises:
        TurnoutError: As `ensure`.
    """
    if etcd.exists():
        return False
    staged = etcd.with_name("etcd.new")
    shutil.rmtree(staged, ignore_errors=True)
    with _kept(program, kinds, say) as kept:
        shutil.copytree(kept, staged)
    staged.replace(etcd)
    return True


@contextmanager
def _kept(program: Path, kinds: list[dict[str, Any]], say: Progress) -> Iterator[Path]:
    """The folder in the cache, for one at a time."""
    made_from = program.parent.name + Path(servers.__file__).read_text() + json.dumps(kinds)
    kept = programs.cache() / f"seed-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"
    with locked(kept.parent / "seed.lock"):
        if not kept.is_dir():
            for earlier in kept.parent.glob("seed-*"):
                shutil.rmtree(earlier)
            with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                _grow(Path(folder), program, kinds).replace(kept)
            say(f"installed {len(kinds)} definitions for clusters to begin with")
        yield kept


def _grow(root: Path, program: Path, kinds: list[dict[str, Any]]) -> Path:
    """The folder of an etcd that has taken definitions in, and ended."""
    state, credentials = State(root), Credentials(root / "credentials")
    parts = servers.Servers(program, root, credentials, servers.LOOPBACK, servers.free_ports())
    credentials.make()
    with tethered(state):
        for spec in (parts.etcd(), parts.api_server()):
            Processes(state).ensure(spec, ready_within_seconds=servers.READY_WITHIN_SECONDS)
        credentials.write_kubeconfigs(parts.url, parts.authority)
        with Applier(credentials.kubeconfig(ADMIN)) as applier:
            definitions.install(applier, kinds)
    return parts.store
