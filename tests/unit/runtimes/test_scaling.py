import pytest

from runtimes.ray_serve.scaling import options, untranslated
from turnout.domain.workload import Component


def _part(**declared):
    return Component(role="predictor", framework="sklearn", **declared)


def test_what_kserve_declared_becomes_what_serve_takes():
    """Replicas, target and limit of a replica, timeout and CPUs each have one place."""
    replicas = {"min_replicas": 1, "max_replicas": 3, "scale_target": 4}
    part = _part(**replicas, container_concurrency=8, timeout_seconds=30, requests={"cpu": "500m"})
    found = options("Ingress", part, {})
    scaling = found["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 3)
    assert scaling["target_ongoing_requests"] == 4
    assert (found["max_ongoing_requests"], found["graceful_shutdown_timeout_s"]) == (8, 30)
    assert found["ray_actor_options"] == {"num_cpus": 0.5}
    assert "num_replicas" not in found


@pytest.mark.parametrize(
    ("declared", "replicas"),
    [
        ({}, 1),
        ({"min_replicas": 2}, 2),
        ({"min_replicas": 2, "max_replicas": 2}, 2),
        ({"max_replicas": 1}, 1),
    ],
)
def test_what_may_not_change_is_a_fixed_number(declared, replicas):
    """Nothing grows beyond what its owner has declared."""
    found = options("Ingress", _part(**declared), {})
    assert found["num_replicas"] == replicas
    assert "autoscaling_config" not in found


def test_scaling_to_zero_stays_allowed():
    """KServe's minReplicas 0 is Serve's; the first replica is there from the start."""
    scaling = options("Ingress", _part(min_replicas=0, max_replicas=2), {})["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["initial_replicas"]) == (0, 1)


@pytest.mark.parametrize(("window", "down"), [("6s", 6.0), ("2m", 120.0), ("soon", 60.0), (None, 60.0)])
def test_knatives_windows_set_the_delays(window, down):
    """Down after the stable window, up after a tenth of it; Knative's own default without an annotation."""
    annotations = {"autoscaling.knative.dev/window": window} if window else {}
    scaling = options("Ingress", _part(max_replicas=3), annotations)["autoscaling_config"]
    assert scaling["downscale_delay_s"] == down
    assert scaling["upscale_delay_s"] == pytest.approx(down / 10)


def test_a_limit_below_the_target_would_never_scale():
    """A replica takes at least what it is to be kept at; without a limit it takes many."""
    assert options("a", _part(scale_target=10, container_concurrency=3), {})["max_ongoing_requests"] == 10
    assert options("a", _part(container_concurrency=0), {})["max_ongoing_requests"] == 100


def test_what_has_no_counterpart_is_said():
    """A target in requests a second, or an HPA, is not passed over in silence."""
    part = _part(scale_metric="rps", scale_target=50, autoscaling={"metrics": []}, min_replicas=1)
    told = untranslated(part)
    assert [word for word in ("rps", "HPA", "maxReplicas") if any(word in line for line in told)] == [
        "rps", "HPA", "maxReplicas",
    ]  # fmt: skip
    assert options("a", part.model_copy(update={"max_replicas": 2}), {})["autoscaling_config"][
        "target_ongoing_requests"
    ] == pytest.approx(2)
    assert untranslated(_part(max_replicas=3, scale_target=2)) == untranslated(None) == ()
