from turnout.fabric.kubernetes.waiting.reasons import of_events, of_pods


def pod(*containers, conditions=(), **status):
    """A pod that is not ready."""
    found = {"containerStatuses": list(containers), "conditions": list(conditions), **status}
    return {"metadata": {"name": "p"}, "status": found}


def waiting(reason, **more):
    """A container that waits."""
    return {"name": "c", "ready": False, "state": {"waiting": {"reason": reason, "message": "m"}}, **more}


def test_a_pod_that_cannot_be_placed_says_what_the_scheduler_says():
    """Nothing else is known of it yet."""
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no nodes"}
    assert [str(each) for each in of_pods([pod(conditions=[unplaced])])] == ["pod p: Unschedulable: no nodes"]


def test_an_image_that_is_only_late_is_not_hopeless_and_one_that_cannot_be_is():
    """A registry may come back; a name that is none never will."""
    (late,) = of_pods([pod(waiting("ImagePullBackOff"))])
    (never,) = of_pods([pod(waiting("InvalidImageName"))])
    assert (late.words, late.hopeless) == ("ImagePullBackOff: m", False)
    assert (never.words, never.hopeless) == ("InvalidImageName: m", True)


def test_a_container_that_ends_again_and_again_is_asked_for_its_last_words():
    """Those of the life before: this one has not begun."""
    last = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    (found,) = of_pods([pod(waiting("CrashLoopBackOff", lastState=last))])
    assert found.words == "CrashLoopBackOff: m; it ended before with OOMKilled (status 137)"
    assert (found.log_of, found.previous) == (("p", "c"), True)


def test_a_container_that_runs_unready_is_asked_for_its_words():
    """It answers its readiness probe with no; the log says why."""
    (found,) = of_pods([pod({"name": "c", "ready": False, "state": {"running": {}}})])
    assert found.words == "runs and does not answer its readiness probe"
    assert found.log_of == ("p", "c")


def test_what_is_ready_or_on_its_way_gives_no_reason():
    """A pod that is ready, and one whose container is being made."""
    ready = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert of_pods([ready, pod(waiting("ContainerCreating")), pod(phase="Succeeded")]) == []


def test_warnings_about_the_workload_are_told_once_with_their_last_words():
    """Of each reason the latest; other objects' warnings, and what is normal, are left out."""

    def event(name, reason, message, at, kind="Warning"):
        return {
            "type": kind, "reason": reason, "message": message, "lastTimestamp": at,
            "involvedObject": {"name": name, "kind": "ReplicaSet"},
        }  # fmt: skip

    found = of_events(
        [
            event("a", "FailedCreate", "second", "2026-01-02T00:00:00Z"),
            event("a", "FailedCreate", "first", "2026-01-01T00:00:00Z"),
            event("b", "FailedCreate", "of another", "2026-01-01T00:00:00Z"),
            event("a", "Pulled", "all is well", "2026-01-01T00:00:00Z", kind="Normal"),
        ],
        {"a"},
    )
    assert [str(each) for each in found] == ["replicaset a: FailedCreate: second"]
