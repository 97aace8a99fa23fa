"""How a Gateway's proxies hand exchanges to the shadow service: an EnvoyExtensionPolicy of the model's route.

It is there while something is captured. The proxies cannot draw by chance which exchange they hand over, so
they begin with each, and the shadow service hangs up on those that the capture share leaves out, at the
headers. They wait for nothing and go on without it: what is wrong with the policy or the service costs
captures, never a request.
"""

from turnout.domain.route import Backend
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY, GATEWAY_API, Object, Place, metadata
from turnout.fabric.gateway_api.policies import endpoint

_VERSION = f"{ENVOY_GATEWAY}/v1alpha1"
REQUEST_ATTRIBUTES = ["xds.route_metadata"]
"""The route's state, as `told` has it."""
RESPONSE_ATTRIBUTES = ["upstream.address", "upstream.request_attempt_count"]
"""The host that answered, and how many were asked."""


def capture(place: Place, model: str, shadow: Backend) -> list[Object]:
    """The shadow service as a Backend, and last the policy that hands a model's exchanges to it.

    Args:
        place: Where they live.
        model: The model.
        shadow: Where the shadow service receives.
    """
    processing = {
        "request": {"body": "Streamed", "attributes": REQUEST_ATTRIBUTES},
        "response": {"body": "Streamed", "attributes": RESPONSE_ATTRIBUTES},
    }
    processor = {
        "backendRefs": [{"group": ENVOY_GATEWAY, "kind": "Backend", "name": capture_name(model)}],
        "shadowMode": True,
        "failOpen": True,
        "processingMode": processing,
    }
    target = {"group": GATEWAY_API, "kind": "HTTPRoute", "name": model}
    return [
        {
            "apiVersion": _VERSION,
            "kind": "Backend",
            "metadata": metadata(place, model, capture_name(model)),
            "spec": {"endpoints": [endpoint(shadow)], "appProtocols": ["gateway.envoyproxy.io/h2c"]},
        },
        {
            "apiVersion": _VERSION,
            "kind": "EnvoyExtensionPolicy",
            "metadata": metadata(place, model, capture_name(model)),
            "spec": {"targetRefs": [target], "extProc": [processor]},
        },
    ]


def capture_name(model: str) -> str:
    """Name of both."""
    return f"{model}-capture"
