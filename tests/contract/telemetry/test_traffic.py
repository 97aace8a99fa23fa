"""What a real Prometheus tells of an estate, by the names of each serving stack."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.contract.telemetry.conftest import END_SECONDS, WINDOW_SECONDS
from turnout.cli import turnout
from turnout.domain.errors import InvalidInputError, TemporaryError, UnreachableError
from turnout.domain.workload import Component, Workload
from turnout.fabric.prometheus import Prometheus
from turnout.fabric.traffic import observe


def workload(name="iris", namespace="models", roles=("predictor",), **fields) -> Workload:
    """A workload with these components."""
    components = tuple(Component(role=role, framework=None) for role in roles)
    return Workload(name=name, namespace=namespace, framework="sklearn", components=components, **fields)


def look(prometheus, *workloads):
    """What is observed of each workload, over the window that the series fill."""
    found = observe(workloads, prometheus, window_seconds=WINDOW_SECONDS, at_seconds=END_SECONDS)
    return [one.observed for one in found]


POD = {"namespace": "models", "pod": "iris-predictor-7d9f8b6c5d-x2x4z"}
KNATIVE_POD = {"namespace": "models", "pod": "iris-predictor-00002-deployment-7d9f8b6c5d-x2x4z"}
OLD = {"namespace_name": "models", "service_name": "iris-predictor", "pod_name": "p"}
NEW = {"k8s_namespace_name": "models", "kn_service_name": "iris-predictor", "kn_revision_name": "r"}
MESH = {"destination_workload_namespace": "models", "destination_workload": "iris-predictor-00001-deployment"}
GATEWAY = {"envoy_cluster_name": "httproute/models/iris/rule/0"}
ANSWERED = {"0.1": 4.0, "1": 5.0, "+Inf": 1.0}
"""10 requests a second: the median in the second bucket, a tenth above the last bound."""


def seconds(scale: float) -> dict[str, float]:
    """The same buckets in another unit."""
    return {bound if bound == "+Inf" else f"{float(bound) * scale:g}": n for bound, n in ANSWERED.items()}


def fill(series, stack: str) -> None:
    """10 requests a second of which 1 fails, in the words of one stack."""
    if stack == "Knative before 1.19":
        series.counter("revision_request_count", 9, **OLD, response_code_class="2xx")
        series.counter("revision_request_count", 1, **OLD, response_code_class="5xx")
        series.histogram("revision_request_latencies", seconds(1000), **OLD, response_code_class="2xx")
    elif stack.startswith("Knative 1.19"):
        name, labels = "kn_serving_invocation_duration_seconds", KNATIVE_POD if "pod" in stack else NEW
        series.histogram(
            name, {b: n * 0.9 for b, n in ANSWERED.items()}, **labels, http_response_status_code="200"
        )
        series.histogram(
            name, {b: n * 0.1 for b, n in ANSWERED.items()}, **labels, http_response_status_code="503"
        )
    elif stack.startswith("Istio"):
        labels = {**MESH, "reporter": stack.rsplit(maxsplit=1)[-1]}
        series.counter("istio_requests_total", 9, **labels, response_code="200")
        series.counter("istio_requests_total", 1, **labels, response_code="503")
        series.histogram("istio_request_duration_milliseconds", seconds(1000), **labels, response_code="200")
    elif stack == "Envoy Gateway":
        series.counter("envoy_cluster_upstream_rq_xx", 9, **GATEWAY, envoy_response_code_class="2")
        series.counter("envoy_cluster_upstream_rq_xx", 1, **GATEWAY, envoy_response_code_class="5")
        series.histogram("envoy_cluster_upstream_rq_time", seconds(1000), **GATEWAY)
    elif stack == "vLLM":
        series.counter("vllm:request_success_total", 6, **POD, model_name="m", finished_reason="stop")
        series.counter("vllm:request_success_total", 4, **POD, model_name="m", finished_reason="length")
        series.histogram("vllm:e2e_request_latency_seconds", ANSWERED, **POD, model_name="m")
    elif stack == "Triton":
        series.counter("nv_inference_request_success", 9, **POD, model="anything", version="1")
        series.counter("nv_inference_request_failure", 1, **POD, model="anything", version="1")
    elif stack == "KServe":
        series.histogram("request_predict_seconds", ANSWERED, **POD, model_name="iris")


TIMES = (0.28, 1.0)
"""Median: 1 of the 5 of the bucket from 0.1 to 1; beyond the last bound Prometheus gives that bound."""


@pytest.mark.parametrize(
    ("stack", "times", "errors"),
    [
        ("Knative before 1.19", TIMES, 0.1),
        ("Knative 1.19 and later", TIMES, 0.1),
        ("Knative 1.19 and later, by pod", TIMES, 0.1),
        ("Istio, told by the destination", TIMES, 0.1),
        ("Istio, told by the source", TIMES, 0.1),
        ("Envoy Gateway", TIMES, 0.1),
        ("vLLM", TIMES, None),
        ("Triton", (None, None), 0.1),
        ("KServe", TIMES, None),
    ],
)
def test_each_stack_is_read_by_its_own_names(serve, series, stack, times, errors):
    """Rate, times and errors come out alike, with stack, metric and window; the rest is unknown."""
    fill(
        series,
        "Istio destination" if "destination" in stack else "Istio source" if "source" in stack else stack,
    )
    [found] = look(serve(series.text()), workload())
    assert found.requests_per_second.value == pytest.approx(10, rel=0.01)
    assert found.requests_per_second.source.startswith(f"{stack} (")
    assert found.requests_per_second.window_seconds == WINDOW_SECONDS
    for figure, expected in ((found.latency_p50_seconds, times[0]), (found.latency_p99_seconds, times[1])):
        assert figure is None if expected is None else figure.value == pytest.approx(expected, rel=0.01)
    share = found.error_share
    assert share is None if errors is None else share.value == pytest.approx(errors, rel=0.01)
    assert found.cpu_cores is None


def test_stacks_are_not_added_up(serve, series):
    """Four stacks count the same ten requests: it is ten, told by the front door, errors too."""
    for stack in ("Knative before 1.19", "Istio destination", "Istio source", "KServe"):
        fill(series, stack)
    [found] = look(serve(series.text()), workload())
    assert found.requests_per_second.value == pytest.approx(10, rel=0.01)
    assert {found.requests_per_second.source, found.error_share.source} == {
        "Knative before 1.19 (revision_request_count)"
    }


def test_none_is_unknown_and_nought_is_nought(serve, series):
    """A counter that stands is 0 requests with no share of errors; a workload without series is unknown."""
    series.counter("revision_request_count", 0, **OLD, response_code_class="2xx")
    series.histogram("revision_request_latencies", {"100": 0, "+Inf": 0}, **OLD)
    still, unseen = look(serve(series.text()), workload(), workload(name="other"))
    assert still.requests_per_second.value == 0
    assert (still.error_share, still.latency_p50_seconds) == (None, None)
    assert unseen.requests_per_second is None


def test_no_failure_among_requests_is_a_share_of_nought(serve, series):
    """A class of answers that never came has no series; that is 0 failures, for requests there were."""
    series.counter("revision_request_count", 5, **OLD, response_code_class="2xx")
    [found] = look(serve(series.text()), workload())
    assert found.error_share.value == 0


def test_a_counter_that_starts_again_loses_nothing(serve, series):
    """A pod that restarts in the window takes no requests back."""
    series.counter("revision_request_count", 10, **OLD, response_code_class="2xx", reset_at=20)
    [found] = look(serve(series.text()), workload())
    assert found.requests_per_second.value == pytest.approx(10, rel=0.05)


def test_names_are_told_apart(serve, series):
    """Neither another namespace, nor a longer name, nor the other component is taken for the workload."""
    for service, rate in (("iris-predictor", 1), ("iris-transformer", 2), ("iris-b-predictor", 4)):
        labels = {"namespace_name": "models", "service_name": service, "response_code_class": "2xx"}
        series.counter("revision_request_count", rate, **labels)
    elsewhere = {"namespace_name": "other", "service_name": "iris-predictor", "response_code_class": "2xx"}
    series.counter("revision_request_count", 8, **elsewhere)
    estate = (
        workload(roles=("predictor", "transformer")),
        workload(name="iris-b"),
        workload(namespace="other"),
        workload(name="iris-predictor", kind="Service"),
    )
    rates = [one.requests_per_second.value for one in look(serve(series.text()), *estate)]
    assert rates == pytest.approx([2, 4, 8, 1], rel=0.01)


def test_a_server_of_several_models_tells_only_of_the_model_that_is_named(serve, series):
    """An ensemble's parts are counted beside it: adding them up would lie, so unnamed is unknown."""
    for model, rate in (("iris", 3), ("scaler", 3), ("trees", 3)):
        series.counter("nv_inference_request_success", rate, **POD, model=model, version="1")
        other = {**POD, "pod": "rose-predictor-7d9f8b6c5d-x2x4z"}
        series.counter("nv_inference_request_success", rate, **other, model=f"x{model}", version="1")
    iris, rose = look(serve(series.text()), workload(), workload(name="rose"))
    assert iris.requests_per_second.value == pytest.approx(3, rel=0.01)
    assert rose.requests_per_second is None


def test_utilisation_is_that_of_all_its_replicas(serve, series):
    """Cores and memory of all containers once, not of the pod's sum again; accelerators as a mean."""
    for pod in ("iris-predictor-7d9f8b6c5d-x2x4z", "iris-predictor-7d9f8b6c5d-abcde"):
        for container, share in (("kserve-container", 0.75), ("queue-proxy", 0.25), ("", 1.0), ("POD", 0.0)):
            labels = {"namespace": "models", "pod": pod, "container": container}
            series.counter("container_cpu_usage_seconds_total", share, **labels)
            series.gauge("container_memory_working_set_bytes", share * 2**30, **labels)
        exporter = {"namespace": "gpu-operator", "pod": "dcgm-exporter-x2x4z"}
        used = {"exported_namespace": "models", "exported_pod": pod, "gpu": pod[-1]}
        series.gauge("DCGM_FI_DEV_GPU_UTIL", 20 if pod.endswith("z") else 60, **exporter, **used)
    [found] = look(serve(series.text()), workload())
    assert found.cpu_cores.value == pytest.approx(2, rel=0.01)
    assert (found.memory_gib.value, found.memory_gib.window_seconds) == (2.0, None)
    assert found.accelerator_share.value == pytest.approx(0.4)


def test_a_large_estate_costs_no_more_queries_than_a_small_one(serve, series, monkeypatch):
    """2,000 workloads under four stacks, each with its own figure, in some dozens of queries."""
    estate = [workload(name=f"m{n}") for n in range(2000)]
    lines = ["# TYPE revision_request_count unknown\n"]
    for n in range(2000):
        labels = f'namespace_name="models",service_name="m{n}-predictor",response_code_class="2xx"'
        for at, total in ((END_SECONDS - 500, 0), (END_SECONDS - 100, n)):
            lines.append(f"revision_request_count{{{labels}}} {total} {at}\n")
    for stack in ("KServe", "vLLM", "Istio destination"):
        fill(series, stack)
    prometheus = serve("".join(lines[1:]) + series.text())
    asked = []
    ask = Prometheus._ask
    monkeypatch.setattr(Prometheus, "_ask", lambda self, *a, **k: asked.append(a) or ask(self, *a, **k))
    found = look(prometheus, *estate)
    assert found[1000].requests_per_second.value > 0
    assert all(
        one.requests_per_second.value == pytest.approx(n * found[1000].requests_per_second.value / 1000)
        for n, one in enumerate(found)
    )
    assert len(asked) < 40


def test_an_answer_cut_short_is_an_error_never_a_smaller_estate(serve, series):
    """Too many samples for Prometheus to hold: said, with what to do."""
    fill(series, "KServe")
    prometheus = serve(series.text(), flags=("--query.max-samples=10",))
    with pytest.raises((InvalidInputError, TemporaryError), match="shorter window"):
        look(prometheus, workload())


def test_what_is_no_prometheus_is_said_so(serve, free_port, tmp_path):
    """Nobody there may be tried again; another path, a wrong query and a missing token file may not."""
    prometheus = serve()
    with pytest.raises(UnreachableError, match="an answer"):
        look(Prometheus(f"http://127.0.0.1:{free_port}"), workload())
    with pytest.raises(InvalidInputError, match="/api/v1"):
        look(Prometheus(f"{prometheus.url}/graph"), workload())
    with pytest.raises(InvalidInputError, match="parse error"):
        prometheus.query("sum by (", at_seconds=END_SECONDS)
    with pytest.raises(InvalidInputError, match="bearer token"):
        look(Prometheus(prometheus.url, token_file=tmp_path / "none"), workload())


def test_the_command_shows_traffic_with_its_source_or_one_line_of_error(serve, free_port):
    """`turnout discover --prometheus` fills the inventory; a Prometheus that is down is one clear line."""
    estate = Path(__file__).parents[2] / "unit" / "manifests"
    now = int(time.time())
    told = {"namespace_name": "prod", "service_name": "iris-predictor", "response_code_class": "2xx"}
    labels = ",".join(f'{key}="{value}"' for key, value in told.items())
    recent = "".join(
        f"revision_request_count{{{labels}}} {n * 300} {now - 600 + n * 30}\n" for n in range(20)
    )
    url = serve(recent).url

    def discover(*more):
        return CliRunner().invoke(turnout, ["discover", "--manifests", str(estate), "-o", "json", *more])

    found = discover("--prometheus", url, "--window", "10m")
    observed = {one["name"]: one["observed"] for one in json.loads(found.stdout)["workloads"]}
    figure = observed["iris"]["requests_per_second"]
    assert figure["value"] == pytest.approx(10, rel=0.1)
    assert (figure["source"], figure["window_seconds"]) == (
        "Knative before 1.19 (revision_request_count)",
        600.0,
    )
    assert observed["cancer"]["requests_per_second"] is None
    assert isinstance(discover("--prometheus", f"http://127.0.0.1:{free_port}").exception, UnreachableError)
    assert discover("--prometheus", url, "--window", "week").exit_code == 2
