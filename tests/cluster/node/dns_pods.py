"""Pods of an image that every node can have: CoreDNS, which answers a health check by HTTP."""

from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster import programs
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import store

CONFIG = ". {\n    health :8080\n    log\n}\n"


def running(cluster, writer: Applier, namespace, name):
    """Bring a Deployment and its Service up."""
    image = store.of(cluster.root).ensure(programs.ensure(programs.COREDNS))
    found = described(image, namespace, name)
    writer.apply(found)
    objects.wait(writer, found[1], objects.available)


def described(image, namespace, name):
    """A configuration that is mounted, a Deployment, and its Service."""
    labels, meta = {"app": name}, {"name": name, "namespace": namespace}
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf=/etc/dns/Corefile", "-dns.port=1053"],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/dns"}],
    }
    pod = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": name}}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    selected = {"selector": {"matchLabels": labels}, "template": template}
    reached = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": CONFIG}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": selected},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": reached},
    ]
