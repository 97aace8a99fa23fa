"""What each serving stack calls its figures in Prometheus: one query a figure for a whole estate.

A stack is asked only for metrics that are there. Its queries name a workload by two labels, whatever the
stack's own labels are, so that `turnout.domain.traffic` reads all answers alike.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

NAMESPACE = "turnout_namespace"
SERVICE = "turnout_service"
MODEL = "turnout_model"

_POD = r"(.+?)-(?:[0-9]{5}-deployment-)?(?:[a-z0-9]{5,10}-[a-z0-9]{5}|[0-9]+(?:-[0-9]+)?)"
"""Pod of a ReplicaSet, behind Knative's revision number where there is one, or of a StatefulSet."""

_BY_POD = (("namespace", "(.+)"), ("pod", _POD))


class Part(StrEnum):
    """Whose names the series of a stack go by."""

    ENTRY = "entry"
    PREDICTOR = "predictor"
    ALL = "all"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class Stack:
    """One serving stack's metrics.

    Attributes:
        title: What people call it.
        part: Which component of a workload its labels name.
        labels: Label and pattern (its first group) of the namespace and of the service.
        requests: Counter of requests; the count of a histogram is one.
        errors: Matchers of those that failed; empty where the stack does not tell.
        failures: A counter of its own for failed requests, not among `requests`.
        buckets: Buckets of the time of a request; empty where it keeps none.
        milliseconds: The buckets are in milliseconds, not seconds.
        where: Matchers that hold for all of its series.
        model: Label of the model, where one server's models must be told apart.
    """

    title: str
    part: Part
    labels: tuple[tuple[str, str], tuple[str, str]]
    requests: str
    errors: str = ""
    failures: str = ""
    buckets: str = ""
    milliseconds: bool = False
    where: str = ""
    model: str = ""


STACKS = (
    Stack(
        title="Knative 1.19 and later",
        part=Part.ENTRY,
        labels=(("k8s_namespace_name", "(.+)"), ("kn_service_name", "(.+)")),
        requests="kn_serving_invocation_duration_seconds_count",
        errors='http_response_status_code=~"5.."',
        buckets="kn_serving_invocation_duration_seconds_bucket",
        where='kn_service_name!=""',
    ),
    Stack(
        title="Knative 1.19 and later, by pod",
        part=Part.ENTRY,
        labels=_BY_POD,
        requests="kn_serving_invocation_duration_seconds_count",
        errors='http_response_status_code=~"5.."',
        buckets="kn_serving_invocation_duration_seconds_bucket",
        where='kn_service_name=""',
    ),
    Stack(
        title="Knative before 1.19",
        part=Part.ENTRY,
        labels=(("namespace_name", "(.+)"), ("service_name", "(.+)")),
        requests="revision_request_count",
        errors='response_code_class="5xx"',
        buckets="revision_request_latencies_bucket",
        milliseconds=True,
    ),
    *(
        Stack(
            title=f"Istio, told by the {side}",
            part=Part.ENTRY,
            labels=(
                ("destination_workload_namespace", "(.+)"),
                ("destination_workload", "(.+?)(?:-[0-9]{5}-deployment)?"),
            ),
            requests="istio_requests_total",
            errors='response_code=~"5.."',
            buckets="istio_request_duration_milliseconds_bucket",
            milliseconds=True,
            where=f'reporter="{side}"',  # each side tells of the same requests
        )
        for side in ("destination", "source")
    ),
    Stack(
        title="Envoy Gateway",
        part=Part.ROUTE,
        labels=(
            ("envoy_cluster_name", "httproute/([^/]+)/.+"),
            ("envoy_cluster_name", "httproute/[^/]+/([^/]+)/rule/.+"),
        ),
        requests="envoy_cluster_upstream_rq_xx",
        errors='envoy_response_code_class="5"',
        buckets="envoy_cluster_upstream_rq_time_bucket",
        milliseconds=True,
        where='envoy_cluster_name=~"httproute/.+"',
    ),
    Stack(
        title="vLLM",
        part=Part.PREDICTOR,
        labels=_BY_POD,
        requests="vllm:request_success_total",
        buckets="vllm:e2e_request_latency_seconds_bucket",
    ),
    Stack(
        title="Triton",
        part=Part.PREDICTOR,
        labels=_BY_POD,
        requests="nv_inference_request_success",
        failures="nv_inference_request_failure",
        model="model",
    ),
    Stack(
        title="KServe",
        part=Part.PREDICTOR,
        labels=_BY_POD,
        requests="request_predict_seconds_count",
        buckets="request_predict_seconds_bucket",
    ),
)
"""In the order in which they are believed: the front door before the server behind it, for clients meet the
door. Sources: Knative's docs (service-metrics, serving-metrics), KServe's `kserve/metrics.py`, Triton's
`docs/user_guide/metrics.md`, vLLM's `docs/usage/metrics.md`, Istio's standard metrics, Envoy's cluster
statistics. Triton's times are sums without buckets, vLLM and KServe tell of no failures: both are unknown."""


class Quantity(StrEnum):
    """What a query is about."""

    REQUESTS = "requests"
    ERRORS = "errors"
    MEDIAN = "median"
    P99 = "p99"
    CPU = "cpu"
    MEMORY = "memory"
    ACCELERATOR = "accelerator"


QUANTILES = {Quantity.MEDIAN: 0.5, Quantity.P99: 0.99}


@dataclass(frozen=True, slots=True)
class Query:
    """One question to Prometheus about all workloads at once.

    Attributes:
        quantity: What it asks for.
        source: Stack and metric, for people.
        part: Whose names its answer goes by.
        promql: The expression.
        rank: Answers of a lower rank are believed first.
        unit: The answer times this is in the unit of `Observed`.
        is_moment: It is about now, not about the window.
    """

    quantity: Quantity
    source: str
    part: Part
    promql: str
    rank: int
    unit: float = 1.0
    is_moment: bool = False


def metrics() -> tuple[str, ...]:
    """Names of all metrics that any query may ask for."""
    told = {name for one in STACKS for name in (one.requests, one.failures, one.buckets) if name}
    return tuple(sorted(told | {_CPU, _MEMORY, _GPU}))


def queries(there: Collection[str], window_seconds: int) -> tuple[Query, ...]:
    """The queries worth asking.

    Args:
        there: Names of the metrics that Prometheus holds.
        window_seconds: Length of time to look back.

    Returns:
        At most four a stack, and four for utilisation, however many workloads there are.
    """
    asked = [query for rank, stack in enumerate(STACKS) for query in _of(stack, rank, there, window_seconds)]
    return (*asked, *_utilisation(there, window_seconds))


def _of(stack: Stack, rank: int, there: Collection[str], window: int) -> list[Query]:
    def query(quantity: Quantity, metric: str, promql: str, unit: float = 1.0) -> Query:
        return Query(quantity, f"{stack.title} ({metric})", stack.part, promql, rank, unit)

    made = []
    if stack.requests in there:
        made.append(query(Quantity.REQUESTS, stack.requests, _rate(stack, stack.requests, window)))
        if stack.errors:
            failed = _rate(stack, stack.requests, window, stack.errors)
            made.append(query(Quantity.ERRORS, stack.requests, failed))
    if stack.failures and stack.failures in there:
        made.append(query(Quantity.ERRORS, stack.failures, _rate(stack, stack.failures, window)))
    if stack.buckets and stack.buckets in there:
        rate = _rate(stack, stack.buckets, window, by=("le",))
        unit = 1e-3 if stack.milliseconds else 1.0
        for quantity, q in QUANTILES.items():
            made.append(query(quantity, stack.buckets, f"histogram_quantile({q}, {rate})", unit))
    return made


def _rate(stack: Stack, metric: str, window: int, matcher: str = "", by: tuple[str, ...] = ()) -> str:
    selected = ",".join(part for part in (stack.where, matcher) if part)
    series = _named(f"rate({metric}{{{selected}}}[{window}s])", stack.labels)
    labels = [NAMESPACE, SERVICE, *by]
    if stack.model:
        series = f'label_replace({series}, "{MODEL}", "$1", "{stack.model}", "(.*)")'
        labels.append(MODEL)
    return f"sum by ({', '.join(labels)}) ({series})"


def _named(series: str, labels: tuple[tuple[str, str], tuple[str, str]]) -> str:
    for target, (label, pattern) in zip((NAMESPACE, SERVICE), labels, strict=True):
        series = f'label_replace({series}, "{target}", "$1", "{label}", "{pattern}")'
    return series


_CPU = "container_cpu_usage_seconds_total"
_MEMORY = "container_memory_working_set_bytes"
_GPU = "DCGM_FI_DEV_GPU_UTIL"
_CONTAINERS = 'container!="",container!="POD",pod!=""'
"""cAdvisor tells of each container, and again of their pod as a whole under an empty name."""

_GPU_LABELS = (
    # The exporter's own pod stands in `pod` unless the scrape honours the exporter's labels.
    ('exported_pod!=""', (("exported_namespace", "(.+)"), ("exported_pod", _POD))),
    ('exported_pod="",pod!=""', _BY_POD),
)


def _utilisation(there: Collection[str], window: int) -> list[Query]:
    by = f"{NAMESPACE}, {SERVICE}"
    made = []
    if _CPU in there:
        used = _named(f"rate({_CPU}{{{_CONTAINERS}}}[{window}s])", _BY_POD)
        made.append(Query(Quantity.CPU, f"cAdvisor ({_CPU})", Part.ALL, f"sum by ({by}) ({used})", 0))
    if _MEMORY in there:
        held = _named(f"{_MEMORY}{{{_CONTAINERS}}}", _BY_POD)
        source, expression = f"cAdvisor ({_MEMORY})", f"sum by ({by}) ({held})"
        made.append(Query(Quantity.MEMORY, source, Part.ALL, expression, 0, 2**-30, is_moment=True))
    for rank, (matcher, labels) in enumerate(_GPU_LABELS if _GPU in there else ()):
        busy = _named(f"avg_over_time({_GPU}{{{matcher}}}[{window}s])", labels)
        source, expression = f"DCGM ({_GPU})", f"avg by ({by}) ({busy})"
        made.append(Query(Quantity.ACCELERATOR, source, Part.PREDICTOR, expression, rank, 0.01))
    return made
