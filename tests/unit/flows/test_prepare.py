import json
import re

import pytest

from flows.prepare import template


@pytest.mark.parametrize("kind", ["kubernetes", "process"])
def test_every_variable_that_a_template_uses_is_declared(kind):
    """Prefect fills in what is declared, and leaves anything else as it stands."""
    found = template(kind, "registry.example/turnout-worker:1" if kind == "kubernetes" else None)
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(found["job_configuration"])))
    assert used == found["variables"]["properties"].keys() - {"image"} | ({"image"} & used)


def test_a_run_has_the_workers_own_image():
    """What a Job runs is what the worker runs, whichever registry it came from."""
    found = template("kubernetes", "registry.example/turnout-worker@sha256:0")
    assert found["variables"]["properties"]["image"]["default"] == "registry.example/turnout-worker@sha256:0"


def test_a_job_has_what_prefects_worker_refuses_it_without():
    """It looks for two of a Job's own fields in its pod, where Kubernetes ignores them."""
    pod = template("kubernetes", "any")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert (pod["completions"], pod["parallelism"]) == (1, 1)
