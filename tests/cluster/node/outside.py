"""A sentinel outside the cluster, as the proxies find it."""


def endpoints(address, http, otlp):
    """Leads the Service that the proxies send their records to, to a sentinel outside."""
    labels = {"kubernetes.io/service-name": "turnout-sentinel"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "turnout-sentinel", "namespace": "envoy-gateway-system", "labels": labels},
        "addressType": "IPv4",
        "ports": [
            {"name": "http", "port": http, "protocol": "TCP"},
            {"name": "otlp", "port": otlp, "protocol": "TCP"},
        ],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
