"""Pods of the one image that every cluster with a Gateway has: Envoy, answering by itself."""

import json

from turnout.fabric.kubernetes.apply import Applier

ANSWERED = {
    "name": "stdout",
    "filter": {
        "header_filter": {
            "header": {"name": ":path", "string_match": {"exact": "/ready"}, "invert_match": True}
        }
    },
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"json_format": {"at": "%START_TIME(%s.%6f)%", "status": "%RESPONSE_CODE%"}},
    },
}
"""What a pod logs of each request."""


def envoy_image(writer: Applier) -> str:
    """The image of Envoy that the Gateway's proxy runs."""
    path = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/envoy-gateway-system/envoyproxies/turnout"
    kubernetes = writer.call("GET", path)["spec"]["provider"]["kubernetes"]
    return kubernetes["envoyDeployment"]["container"]["image"]


def answering(image, namespace, name, text, *, failing=0):
    """A Deployment that answers every request with a text but for a failing share in percent; its Service.

    Each pod logs the requests that it answered, with time and status, but for those that ask if it is ready.
    """
    labels = {"app": name}
    meta = {"name": name, "namespace": namespace}
    body = {"inline_string": text}
    chance = {"default_value": {"numerator": failing, "denominator": "HUNDRED"}}
    routes = [
        {"match": {"path": "/ready"}, "direct_response": {"status": 200}},
        {
            "match": {"prefix": "/", "runtime_fraction": chance},
            "direct_response": {"status": 500, "body": body},
        },
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": body}},
    ]
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network"
        ".http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "all",
        "access_log": [ANSWERED],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "address": {"socket_address": {"address": "::", "ipv4_compat": True, "port_value": 8080}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    container = {
        "name": "envoy",
        "image": image,
        "imagePullPolicy": "Never",
        "args": [
            "--config-yaml",
            json.dumps({"static_resources": {"listeners": [listener]}}),
            "--file-flush-interval-msec",
            "100",
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]
