"""Where a model's legacy servers answer inside the cluster, and under which host clients call them. Pure.

KServe publishes both in the InferenceService's status: `address.url` leads to the Service of the transformer,
or of the predictor where there is none; `url` has the ingress host. The Service says which port answers: its
own (80 as a rule), or the pods' where it is headless (`serviceClusterIPNone` of KServe's configuration), for
then nothing translates it. KServe publishes none for the one (0.16), and 8080 for the other whatever the
container listens at (0.20).
"""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from turnout.domain.errors import TemporaryError, UnsupportedError
from turnout.domain.route import Backend

Object = dict[str, Any]

_SETTING = "legacy: {MODEL: host:port} in turnout.yaml"
_HTTP = ("http", "https")
"""KServe writes its ingress's scheme (`urlScheme`) into cluster-local addresses too; inside they are HTTP."""
_GRPC = ("grpc", "h2c")
"""What the names of gRPC's ports have in them, and their `appProtocol`: so KServe tells them apart itself."""
_IN_CLUSTER = ".svc.cluster.local"


def service_of(found: Object) -> tuple[str, str]:
    """Namespace and name of the Service that an InferenceService's status leads to.

    Raises:
        TemporaryError: KServe has published no address yet.
        UnsupportedError: It is not one of a Service in this cluster.
    """
    name, namespace, *_ = (*str(_published(found).hostname).split("."), "", "")
    if not namespace:
        raise _unsupported(found, f"the address {_published(found).geturl()}", "one of a Service")
    return namespace, name


def address(found: Object, service: Object) -> Backend:
    """Host and port at which legacy answers HTTP.

    Args:
        found: The InferenceService.
        service: The Service that its status leads to.

    Raises:
        TemporaryError: KServe has published no address yet.
        UnsupportedError: What is there cannot be called by an address alone.
    """
    published = _published(found)
    if published.scheme not in _HTTP:
        raise _unsupported(found, f"the address {published.geturl()}", "one of HTTP")
    if service["spec"].get("type") == "ExternalName":
        raise _unsupported(
            found, f"Service {service['metadata']['name']} is a name for an ingress (Knative mode)",
            "a Service of legacy's own pods: that ingress looks at the Host",
        )  # fmt: skip
    is_headless = service["spec"].get("clusterIP") == "None"
    port = _pods_port(found, service) if is_headless else published.port or int(_http(found, service)["port"])
    return Backend(name=f"{found['metadata']['name']}-legacy", host=str(published.hostname), port=port)


def ingress_host(found: Object) -> str | None:
    """The host under which clients outside call the model; None where it is known inside alone."""
    host = urlsplit((found.get("status") or {}).get("url") or "").hostname
    return host if host and not host.endswith(_IN_CLUSTER) else None


def require_ready(found: Object) -> None:
    """Refuse a model that KServe does not call ready.

    Raises:
        TemporaryError: It is not ready.
    """
    conditions = {one["type"]: one for one in (found.get("status") or {}).get("conditions") or []}
    ready = conditions.get("Ready") or {}
    if ready.get("status") != "True":
        why = ready.get("message") or ready.get("reason") or "no word of KServe's"
        raise TemporaryError(
            _named(found), observed=f"not ready: {why}", limit="Ready is True",
            remedy=f"Look at `kubectl describe` of it; then try again. {_elsewhere()}",
        )  # fmt: skip


def require_one_address(found: Object) -> None:
    """Refuse a model of which KServe's ingress divides the paths among several Services.

    Raises:
        UnsupportedError: It has an explainer, which answers `:explain` under the same host.
    """
    if (found.get("spec") or {}).get("explainer"):
        raise _unsupported(found, "an explainer answers some paths of its host", "one Service for all paths")


def _http(found: Object, service: Object) -> Object:
    """The first port that takes HTTP/1.1."""
    for port in service["spec"].get("ports") or []:
        said = f"{port.get('name', '')} {port.get('appProtocol', '')}".lower()
        if not any(word in said for word in _GRPC):
            return dict(port)
    raise _unsupported(found, f"Service {service['metadata']['name']} has no port of HTTP/1.1", "one")


def _pods_port(found: Object, service: Object) -> int:
    """Where the pods behind a headless Service listen."""
    port = _http(found, service)
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str):
        raise _unsupported(found, f"a headless Service whose target port is the name {target}", "a number")
    return int(target)


def _published(found: Object) -> SplitResult:
    url = str(((found.get("status") or {}).get("address") or {}).get("url") or "")
    if not url:
        raise TemporaryError(
            _named(found), observed="no address in its status", limit="status.address.url",
            remedy=f"Wait until KServe has published it. {_elsewhere()}",
        )  # fmt: skip
    return urlsplit(url)


def _unsupported(found: Object, observed: str, limit: str) -> UnsupportedError:
    return UnsupportedError(_named(found), observed=observed, limit=limit, remedy=_elsewhere())


def _elsewhere() -> str:
    return f"Or name where it answers under its clients' own Host, such as KServe's ingress: {_SETTING}."


def _named(found: Object) -> str:
    meta = found["metadata"]
    return f"InferenceService {meta.get('namespace', 'default')}/{meta['name']}"
