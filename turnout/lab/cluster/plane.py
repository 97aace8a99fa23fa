"""A control plane that is up, as its users see it: where it is, and kubeconfigs for whom they want to be."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from turnout.domain.errors import NotFoundError
from turnout.fabric import whole
from turnout.fabric.kubernetes.apply import Applier
from turnout.lab.cluster.credentials import ADMIN, Credentials, kubeconfig

TOKEN_SECONDS = 24 * 3600
"""Longer than a session of tests; the API server bounds it in any case."""


class ControlPlane(BaseModel):
    """A control plane that is up.

    Attributes:
        root: Its state directory.
        url: Where the API server is.
        authority: Certificate that it is trusted by.
        interface: The way into its network namespace; None where it is on loopback.
        gateway: Where clients outside reach its Gateway, `ADDRESS:PORT`; None where it has none.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    url: str
    authority: Path
    interface: str | None
    gateway: str | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return _credentials(self.root).kubeconfig(ADMIN)

    def kubeconfig_of(self, service_account: str) -> Path:
        """A kubeconfig with a fresh token of a service account.

        Args:
            service_account: `NAMESPACE/NAME`; it has to be there.

        Raises:
            NotFoundError: It is not.
        """
        namespace, _, name = service_account.rpartition("/")
        path = f"/api/v1/namespaces/{namespace or 'default'}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS}}  # fmt: skip
        with Applier(self.kubeconfig) as applier:
            asked = applier.call("POST", path, body=body, named=f"service account {service_account}")
        file = self.root / "credentials" / f"{namespace or 'default'}.{name}.kubeconfig"
        text = kubeconfig(self.url, self.authority.read_bytes(), name, asked["status"]["token"])
        whole.write(file, text)
        file.chmod(0o600)
        return file

    def write(self) -> None:
        """Say where it is, for other commands."""
        whole.write(_file(self.root), self.model_dump_json(indent=1))


def read(root: Path) -> ControlPlane:
    """The control plane of a state directory, as it came up last.

    Raises:
        NotFoundError: None ever did.
    """
    try:
        return ControlPlane.model_validate_json(_file(root).read_bytes())
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"cluster in {root}", observed="never came up", limit="a state directory of a cluster",
            remedy="Run: turnout lab cluster up",
        ) from error  # fmt: skip


def _credentials(root: Path) -> Credentials:
    return Credentials(root / "credentials")


def _file(root: Path) -> Path:
    return root / "cluster.json"
