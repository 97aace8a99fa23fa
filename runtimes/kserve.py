"""The legacy side: a model as KServe serves it, called in its clients' protocol and never changed.

Called by `tasks.baseline` and the proofs that hold a candidate against it.
"""

from runtimes import Endpoint, wire
from runtimes.wire import Reply
from turnout.domain.contract import Contract
from turnout.domain.errors import InvalidInputError, NotFoundError


class KServe:
    """The legacy models.

    Args:
        legacy: For each model, host and port of its server: `host:port`.
    """

    name = "kserve"

    def __init__(self, legacy: dict[str, str]) -> None:
        """Remember where the models are; nothing is called."""
        self._legacy = dict(legacy)

    def endpoint(self, model: str) -> Endpoint:
        """Where a model is served.

        Raises:
            NotFoundError: The settings name no server for it.
            InvalidInputError: They do not name it as `host:port`.
        """
        if model not in self._legacy:
            raise NotFoundError(
                f"legacy server of {model}", observed="none in the settings",
                limit="legacy: {MODEL: host:port}", remedy="Name it in turnout.yaml.",
            )  # fmt: skip
        host, _, port = self._legacy[model].rpartition(":")
        if not host or not port.isdigit():
            raise InvalidInputError(
                f"legacy server of {model}", observed=self._legacy[model], limit="host:port",
                remedy="Correct it in turnout.yaml.",
            )  # fmt: skip
        return Endpoint(host=host, port=int(port))

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
