"""Names that several parts of Envoy's configuration have to agree on."""

METADATA = "turnout"
"""Namespace of our metadata in routes and endpoints."""

CAPTURE_FILTER = "envoy.filters.http.ext_proc"
CAPTURE_CLUSTER = "turnout-capture"


def legacy_cluster(model: str) -> str:
    """Cluster of a model's legacy servers."""
    return f"legacy/{model}"


def candidate_cluster(attempt: str) -> str:
    """Cluster of an attempt's candidate alone."""
    return f"candidate/{attempt}"


def shielded_cluster(attempt: str) -> str:
    """Cluster of an attempt's candidate with legacy behind it."""
    return f"shielded/{attempt}"


def extension(name: str) -> str:
    """Type URL of an Envoy extension's configuration."""
    return f"type.googleapis.com/envoy.extensions.{name}"


def counted_as(arm: str, attempt: str | None) -> str:
    """Name under which Envoy counts the requests that a route chose for an arm."""
    return f"{arm}-{attempt}" if attempt else arm
