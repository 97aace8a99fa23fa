"""The legacy side: a model as KServe serves it, called in its clients' protocol and never changed.

Called by `tasks.baseline` and the proofs that hold a candidate against it.
"""

from typing import Protocol

from runtimes import Endpoint, wire
from runtimes.wire import Reply
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.route import Backend


class Addresses(Protocol):
    """Who knows where legacy models answer: `turnout.fabric.kubernetes.inference_services`."""

    def address(self, model: str) -> Backend:
        """Where a model's legacy servers answer.

        Raises:
            TurnoutError: It is not known.
        """


class KServe:
    """The legacy models.

    Args:
        legacy: For each model, host and port of its server: `host:port`.
        cluster: Knows where the others are; without it there are no others.
    """

    name = "kserve"

    def __init__(self, legacy: dict[str, str], cluster: Addresses | None = None) -> None:
        """Remember where the models are; nothing is called."""
        self._legacy = dict(legacy)
        self._cluster = cluster
        self._found: dict[str, Endpoint] = {}

    def endpoint(self, model: str) -> Endpoint:
        """Where a model is served: where the settings say, else as KServe publishes it in the cluster.

        Raises:
            NotFoundError: The settings name no server for it, and the cluster has none.
            InvalidInputError: They do not name it as `host:port`.
            TurnoutError: As `Addresses.address`.
        """
        if model in self._legacy:
            return self._named(model)
        if self._cluster is None:
            raise NotFoundError(
                f"legacy server of {model}", observed="none in the settings",
                limit="legacy: {MODEL: host:port}",
                remedy="Name it in turnout.yaml; with `estate: cluster` KServe says where it is.",
            )  # fmt: skip
        if model not in self._found:  # asked once a process, not with each request
            at = self._cluster.address(model)
            self._found[model] = Endpoint(host=at.host, port=at.port)
        return self._found[model]

    def is_ready(self, contract: Contract) -> bool:
        """Whether the server says that the model is ready."""
        return wire.is_ready(self.endpoint(contract.model), contract)

    def predict(self, contract: Contract, body: bytes) -> Reply:
        """Send one request to the model's server.

        Raises:
            UnreachableError: It did not answer within the contract's request_seconds.
        """
        seconds = contract.policy.request_seconds
        return wire.predict(self.endpoint(contract.model), contract, body, timeout_seconds=seconds)

    def _named(self, model: str) -> Endpoint:
        host, _, port = self._legacy[model].rpartition(":")
        if not host or not port.isdigit():
            raise InvalidInputError(
                f"legacy server of {model}", observed=self._legacy[model], limit="host:port",
                remedy="Correct it in turnout.yaml.",
            )  # fmt: skip
        return Endpoint(host=host, port=int(port))
