"""How MLflow is called: with short time limits, and with its errors turned into ours.

Left alone, MLflow's client tries an unreachable server for minutes; here a task's own retries decide.
Called by `turnout.fabric.registry.evidence` and `.packages`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from turnout.domain.errors import PermanentError, TurnoutError, UnreachableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # Artifacts come through the server. Left alone, the client has it sign addresses of the bucket, and calls
    # those; but the server alone has a way there, where network policies are enforced.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    # A bar for each of a package's few small files says nothing.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Two lines about each record would bury what the tasks say.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

_OURS_TO_REPORT = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
"""Codes of a server that is down, overloaded or not MLflow; the others say that the request was wrong."""


class Connection:
    """One MLflow server.

    Args:
        url: Its URL.
    """

    def __init__(self, url: str) -> None:
        """Remember where it is; it is called, and its library imported (4 s), when first needed."""
        self.url = url
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}

    @contextmanager
    def client(self) -> Iterator["MlflowClient"]:
        """The client; what it raises becomes one of our errors.

        Raises:
            UnreachableError: The server did not answer.
            PermanentError: It answered that the request is wrong.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 -- 4 s that `turnout rollback` has not
        from requests import RequestException  # noqa: PLC0415

        try:
            yield self._open()
        except TurnoutError:
            raise
        except RequestException as error:
            raise self._unreachable(error) from error
        except MlflowException as error:
            if error.error_code in _OURS_TO_REPORT:
                raise self._unreachable(error) from error
            raise PermanentError(
                f"MLflow at {self.url}", observed=_line(error), limit="a request that it accepts",
                remedy="Check the MLflow server's version against locks/core.txt.",
            ) from error  # fmt: skip

    def experiment(self, name: str) -> str:
        """Id of an experiment, which is made when there is none; call it inside `client`."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        if name in self._experiments:
            return self._experiments[name]
        client = self._open()
        if client.get_experiment_by_name(name) is None:
            try:
                client.create_experiment(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                    raise
        if (found := client.get_experiment_by_name(name)) is None:
            raise self._unreachable(MlflowException(f"experiment {name} is gone again"))
        self._experiments[name] = str(found.experiment_id)
        return self._experiments[name]

    def download(self, run_id: str, artifact: str, directory: Path) -> Path:
        """Bring a file or folder that a run has; call it inside `client`.

        Args:
            run_id: The run.
            artifact: Its path among the run's artifacts.
            directory: Where to; it exists.

        Returns:
            Where it lies.

        Raises:
            UnreachableError: It did not come. MLflow's client calls that a wrong path, whatever it was.
        """
        try:
            return Path(self._open().download_artifacts(run_id, artifact, str(directory)))
        except Exception as error:
            if absent(error):
                raise UnreachableError(
                    f"MLflow at {self.url}", observed=_line(error), limit=f"{artifact} of its run {run_id}",
                    remedy="See that the MLflow server runs and reaches what it keeps artifacts in: its log.",
                ) from error  # fmt: skip
            raise

    def _open(self) -> "MlflowClient":
        if self._client is None:
            for name, value in _SETTINGS.items():
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient  # noqa: PLC0415

            self._client = MlflowClient(tracking_uri=self.url, registry_uri=self.url)
        return self._client

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"MLflow at {self.url}",
            observed=_line(error),
            limit="an answer",
            remedy="See that the MLflow server runs (turnout lab status).",
        )


def absent(error: Exception) -> bool:
    """Whether MLflow says that what was asked for does not exist."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    if not isinstance(error, MlflowException):
        return False
    missing_alias = error.error_code == "INVALID_PARAMETER_VALUE" and "not found" in str(error)
    return error.error_code == "RESOURCE_DOES_NOT_EXIST" or missing_alias


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    longest = 300
    return text if len(text) <= longest else f"{text[:longest]}..."
