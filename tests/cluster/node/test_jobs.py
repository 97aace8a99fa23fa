"""Flow runs that are Jobs, as on every cloud: a model moves, whoever started its run and whatever runs it.

The rest is as in test_migration.py. It is a session of its own: an installation has one kind of runs.
"""

import time

import pytest

from tests.cluster.node.installing import WITHIN_SECONDS, kubectl
from tests.cluster.node.kserve_models import TENSOR
from tests.cluster.node.migrating import halfway, judged
from tests.cluster.node.pods import pods
from tests.waiting import until

WORKER = "app.kubernetes.io/name=turnout-worker"
NOW = ("--grace-period=0", "--force", "--wait=false")


@pytest.fixture(scope="session")
def jobs():
    """Each run is a Job."""
    return True


def pods_of(writer, run):
    """Pods of a flow run that have not ended, by name."""
    found = pods(writer, "turnout", f"prefect.io/flow-run-id={run}")
    return {name: each for name, each in found.items() if each["status"]["phase"] in {"Pending", "Running"}}


def test_a_model_moves_by_jobs_and_its_run_outlives_worker_and_pod(cluster, writer, moving, router, desk):
    """Both go in the canary: another worker makes another Job of the run, which carries on."""
    model = moving("iris", "v2", "/v2/models/iris/infer", {"inputs": [TENSOR]})
    with model.clients() as clients:
        migration = halfway(desk, router, model, clients)
        ((run, there),) = pods_of(writer, migration.run).items()
        assert there["metadata"]["labels"]["turnout.dev/part"] == "flow"

        (worker,) = pods(writer, "turnout", WORKER)
        began = time.monotonic()
        kubectl(cluster, "--namespace=turnout", "delete", "pod", worker, run, *NOW)
        until(lambda: pods_of(writer, migration.run).keys() - {run}, "another pod of it", WITHIN_SECONDS)
        print(f"another pod of the run is there after {time.monotonic() - began:.1f} s")
        assert migration.end() == "Cut over", migration.logs()
        assert router.read("iris").weight >= 0.95
        clients.move(model.new)
    judged(clients)
