"""KServe's controller in Standard mode, with its webhooks; what it serves is reached through the Gateway."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.lab.cluster import certificates, definitions, programs
from turnout.lab.cluster.addons import gateway, objects
from turnout.lab.cluster.node.store import Store

DOMAIN = "example.com"
"""An InferenceService is reached under NAME-NAMESPACE.DOMAIN."""

_MODULE = "github.com/kserve/kserve"
_NAMESPACE, _SERVICE, _CONFIG = "kserve", "kserve-webhook-server-service", "inferenceservice-config"
_MANIFEST = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Parts:
    """What is installed: the controller, and the root of KServe's module, which has its configuration."""

    controller: Path
    module: Path


def build(say: Progress, *, env: dict[str, str]) -> Parts:
    """Build the controller, and fetch the module.

    Raises:
        TurnoutError: Something could not be built or fetched.
    """
    return Parts(programs.ensure(programs.KSERVE, say, env=env), definitions.module(_MODULE, say, env=env))


def install(parts: Parts, store: Store, applier: Applier) -> None:
    """Install the controller, and wait until its webhooks answer.

    Args:
        parts: What is installed.
        store: The node's images.
        applier: A connection that writes.

    Raises:
        TemporaryError: It was not available in time.
    """
    key = certificates.private_key()
    certificate = certificates.self_signed(key, f"{_SERVICE}.{_NAMESPACE}.svc", serves=True)
    values = {
        "image": store.ensure(parts.controller),
        "certificate": _encoded(certificate),
        "key": _encoded(certificates.pem(key)),
    }
    namespace, *others = objects.load(_MANIFEST, values)
    applier.apply([namespace, _configuration(parts.module), *others])
    objects.wait(applier, others[-1], objects.available)
    applier.apply(_webhooks(parts.module, _encoded(certificate)))


def _configuration(module: Path) -> Object:
    """KServe's own configuration, set to Standard mode and to the Gateway."""
    item: Object = yaml.safe_load((module / "config/configmap/inferenceservice.yaml").read_text())
    data = {name: value for name, value in item["data"].items() if name != "_example"}
    _set(data, "deploy", defaultDeploymentMode="Standard")
    _set(
        data, "ingress", enableGatewayApi=True, ingressDomain=DOMAIN, disableIstioVirtualHost=True,
        kserveIngressGateway=f"{gateway.NAMESPACE}/{gateway.NAME}",
    )  # fmt: skip
    meta = {"name": _CONFIG, "namespace": _NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _webhooks(module: Path, authority: str) -> list[Object]:
    """KServe's own webhook configurations, with the certificate that they are trusted by."""
    text = (module / "config/webhook/manifests.yaml").read_text()
    text = text.replace("$(webhookServiceName)", _SERVICE).replace("$(kserveNamespace)", _NAMESPACE)
    found = [item for item in yaml.safe_load_all(text) if item]
    for item in found:
        item["metadata"].pop("creationTimestamp", None)
        for webhook in item["webhooks"]:
            webhook["clientConfig"]["caBundle"] = authority
    return found


def _set(data: dict[str, str], name: str, **values: object) -> None:
    data[name] = json.dumps(json.loads(data[name]) | values)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
