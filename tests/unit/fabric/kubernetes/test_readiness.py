import pytest

from turnout.fabric.kubernetes.waiting.readiness import readiness


def deployment(wanted=2, generation=3, seen=3, conditions=(), **status):
    """A Deployment with a status."""
    return {
        "kind": "Deployment", "metadata": {"name": "a", "generation": generation},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": seen, "conditions": list(conditions), **status},
    }  # fmt: skip


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def test_a_deployment_is_ready_when_all_are_new_and_available():
    """And only then: not while old ones are there, nor while the status is that of an earlier generation."""
    assert readiness(deployment(**DONE)).ready
    assert "last change" in readiness(deployment(seen=2, **DONE)).words
    assert readiness(deployment(**DONE | {"replicas": 3})).words == "1 old replicas are still there"
    assert readiness(deployment(**DONE | {"updatedReplicas": 1})).words == "1 of 2 new replicas are there"
    assert readiness(deployment(**DONE | {"availableReplicas": 0})).words == "0 of 2 replicas are available"


def test_a_deployment_that_has_given_up_says_so():
    """Its own deadline has passed: no use in waiting on."""
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}
    found = readiness(deployment(conditions=[late], **DONE))
    assert (found.ready, found.hopeless, found.words) == (False, True, "ProgressDeadlineExceeded: m")


def test_what_could_not_be_created_is_told():
    """A quota, an admission plugin: the controller's own words."""
    failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    assert readiness(deployment(conditions=[failed])).words == "FailedCreate: quota"


def ray_service(conditions, **status):
    """A RayService with conditions."""
    return {
        "kind": "RayService", "metadata": {"name": "a", "generation": 1},
        "status": {"observedGeneration": 1, "conditions": conditions, **status},
    }  # fmt: skip


READY = {"type": "Ready", "status": "True"}
UNREADY = {"type": "Ready", "status": "False", "reason": "ZeroServeEndpoints", "message": "none"}
UPGRADING = {"type": "UpgradeInProgress", "status": "True", "reason": "BothActivePending", "message": "two"}


def test_a_ray_service_is_ready_by_its_condition_and_not_while_it_is_upgraded():
    """KubeRay says Ready of the old cluster while the new one comes up."""
    assert readiness(ray_service([READY])).ready
    assert readiness(ray_service([READY, UPGRADING])).words == "BothActivePending: two"


def test_a_failed_application_is_told_and_is_hopeless():
    """Ray Serve has tried and given up; its message is the reason."""
    broken = {"applicationStatuses": {"iris": {"status": "DEPLOY_FAILED", "message": "no module x"}}}
    found = readiness(ray_service([UNREADY], pendingServiceStatus=broken))
    assert found.hopeless
    assert found.words == "Ready: ZeroServeEndpoints: none; iris is DEPLOY_FAILED: no module x"
    starting = {"applicationStatuses": {"iris": {"status": "DEPLOYING"}}}
    assert not readiness(ray_service([UNREADY], activeServiceStatus=starting)).hopeless


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([], False),
        ([{"type": "Accepted", "status": "True", "observedGeneration": 2}], True),
        ([{"type": "Accepted", "status": "True", "observedGeneration": 1}], False),
        ([{"type": "ResolvedRefs", "status": "False", "observedGeneration": 2}], False),
    ],
)
def test_a_route_is_ready_when_its_gateway_has_taken_its_last_change(conditions, ready):
    """A condition that was written for an earlier generation says nothing of this one."""
    parents = [{"conditions": conditions}] if conditions else []
    route = {"kind": "HTTPRoute", "metadata": {"name": "a", "generation": 2}, "status": {"parents": parents}}
    assert readiness(route).ready is ready


def test_an_unknown_kind_is_ready_by_its_own_condition_and_unknown_without_one():
    """No data is never a pass."""
    item = {"kind": "InferenceService", "metadata": {"name": "a"}, "status": {"conditions": [READY]}}
    assert readiness(item).ready
    assert readiness({**item, "status": {}}).words == "its status says nothing yet"


def job(*conditions):
    """A Job, whose status names no generation."""
    return {"kind": "Job", "metadata": {"name": "a", "generation": 1}, "status": {"conditions": conditions}}


def test_a_job_is_ready_when_it_is_done_and_hopeless_when_it_has_failed():
    """Not while it runs, nor while one of its tries has failed."""
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}
    assert readiness(job({"type": "Complete", "status": "True"})).ready
    assert readiness(job()).words == "it is not done yet"
    found = readiness(job(failed))
    assert (found.ready, found.hopeless, found.words) == (False, True, "BackoffLimitExceeded: m")
