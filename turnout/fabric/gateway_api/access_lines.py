"""What a Gateway's proxies tell of a request, as the line that the lab's Envoy writes of one. Pure.

The proxies choose an arm by choosing a host, so the arm is the first host that was tried: the candidate's
door, or legacy. What they send are OpenTelemetry log records; the attributes are those of `FIELDS`, set by
EnvoyProxy (deployments/kubernetes/base/gateway.yaml).

That the door has sent a request to nobody (`policies.NEVER_SENT`) is not to be seen in the record of the
whole request, which knows the last answer only. So each such try has a record of its own (`UNSENT`), joined
by the request's id; see `turnout.services.collector.joining`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric.gateway_api import told
from turnout.fabric.gateway_api.policies import NEVER_SENT
from turnout.fabric.gateway_api.rules import LEGACY
from turnout.fabric.gateway_api.told import Told
from turnout.fabric.router.route_name import RouteName

FIELDS = {
    "turnout.route": "%METADATA(ROUTE:envoy-gateway:resources)%",
    "turnout.type": "%ACCESS_LOG_TYPE%",
    "turnout.id": "%CONNECTION_ID%-%START_TIME(%s%9f)%",
    "turnout.request": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "turnout.start": "%START_TIME(%s.%6f)%",
    "turnout.status": "%RESPONSE_CODE%",
    "turnout.duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "turnout.first_byte_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%",
    "turnout.duration_ms": "%DURATION%",
    "turnout.tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "turnout.hosts": "%UPSTREAM_HOSTS_ATTEMPTED%",
    "turnout.host": "%UPSTREAM_HOST%",
    "turnout.details": "%RESPONSE_CODE_DETAILS%",
    "turnout.flags": "%RESPONSE_FLAGS%",
}
"""Attributes of a request's record, and Envoy's command operators for them."""

UNSENT = {"turnout.unsent": "%REQUEST_HEADER(X-REQUEST-ID)%"}
"""Attributes of the record of a try that the door sent to nobody."""

OURS = f"'{told.KEY}' in xds.route_metadata.filter_metadata['envoy-gateway'].resources[0].annotations"
NOT_SENT = f"response.code == {NEVER_SENT}"

_END, _UNDER_WAY = "DownstreamEnd", "DownstreamPeriodic"
_MISSING = ("", "-")


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as one line tells of it.

    Attributes:
        model: Whose.
        namespace: Of the HTTPRoute that took it.
        request: The request's id that its tries have, too; empty where it has none.
        line: What is written, as the lab's Envoy writes it.
        may_be_unsent: The door was tried and legacy answered: whether the door sent it to the candidate is
            still to be told.
    """

    model: str
    namespace: str
    request: str
    line: dict[str, Any]
    may_be_unsent: bool = False

    def unsent(self) -> "Entry":
        """The same request, of which the candidate was never asked."""
        line = {**self.line, "tries": self.line["tries"] - 1}
        return Entry(self.model, self.namespace, self.request, line)


def entry(attributes: Mapping[str, str]) -> Entry | None:
    """Read a record of a request.

    Args:
        attributes: By the names of `FIELDS`.

    Returns:
        The request; None where nothing can be told yet (no host is chosen), and of other kinds of records.

    Raises:
        InvalidInputError: It is not a record of a route of ours.
    """
    try:
        return _entry(attributes)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InvalidInputError(
            "access log of a Gateway",
            observed=f"a record that is not readable ({type(error).__name__}: {error})",
            limit=f"the attributes {', '.join(FIELDS)}",
            remedy="Set the proxies' telemetry as deployments/kubernetes/base/gateway.yaml has it.",
        ) from error


def _entry(attributes: Mapping[str, str]) -> Entry | None:
    kind = attributes["turnout.type"]
    if kind not in (_END, _UNDER_WAY):
        return None
    [resource, *_] = orjson.loads(attributes["turnout.route"])
    route = told.parse(resource["annotations"][told.KEY])
    if (resource["kind"], resource["name"]) != ("HTTPRoute", route.model):
        raise ValueError(f"{resource['kind']} {resource['name']} tells of {route.model}")
    hosts = _hosts(attributes)
    if not hosts and kind == _UNDER_WAY:
        return None
    line = {"type": kind, **_fields(attributes), **_chosen(route, hosts, resource.get("sectionName"))}
    return Entry(
        model=route.model,
        namespace=str(resource["namespace"]),
        request=_text(attributes, "request") or "",
        line=line,
        may_be_unsent=kind == _END and line["tries"] > 1 and _arms(route, hosts) == (_C, _L),
    )


_C, _L = Arm.CANDIDATE, Arm.LEGACY


def _arms(route: Told, hosts: list[str]) -> tuple[Arm | None, Arm | None]:
    """The arm that was chosen, and the one that was asked last; None where nobody was."""
    if not hosts:
        return None, None
    first, last = (_C if route.is_door(host) else _L for host in (hosts[0], hosts[-1]))
    return first, last


def _chosen(route: Told, hosts: list[str], rule: str | None) -> dict[str, Any]:
    """The route's name, and who answered; weight 0 where chance had no part in it."""
    first, last = _arms(route, hosts)
    weight = 0.0 if first is None or rule == LEGACY else route.weight
    name = RouteName(first or _L, route.model, route.attempt, route.version, weight, captured=False)
    return {"route": str(name), "arm": last}


def _fields(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": attributes["turnout.id"],
        "start": str(float(attributes["turnout.start"])),
        "status": _number(attributes, "status") or 0,
        "duration_us": _number(attributes, "duration_us"),
        "first_byte_us": _number(attributes, "first_byte_us"),
        "duration_ms": _number(attributes, "duration_ms") or 0,
        "tries": _number(attributes, "tries") or 0,
        "details": _text(attributes, "details"),
        "flags": _text(attributes, "flags"),
    }


def _hosts(attributes: Mapping[str, str]) -> list[str]:
    """The hosts that were tried, in their order."""
    tried = (_text(attributes, "hosts") or "").split(",")
    last = _text(attributes, "host")
    found = [host.strip() for host in tried if host.strip()]
    return found or ([last] if last else [])


def _text(attributes: Mapping[str, str], name: str) -> str | None:
    value = attributes.get(f"turnout.{name}", "")
    return None if value in _MISSING else value


def _number(attributes: Mapping[str, str], name: str) -> int | None:
    value = _text(attributes, name)
    return None if value is None else int(value)
