"""Who may call the API server, and with what: tokens, the key for service accounts, kubeconfigs."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from turnout.fabric import whole

ADMIN = "admin"
USERS = {
    ADMIN: ("kubernetes-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),  # it stands for the kubelets of all made-up nodes
}
"""By name: the user that the API server sees, and its group. Roles are those that Kubernetes itself binds."""


class Credentials:
    """Credentials of one cluster.

    Args:
        directory: Where they are kept, readable by their owner alone.
    """

    def __init__(self, directory: Path) -> None:
        """Look at the directory; nothing is made yet."""
        self.directory = directory

    @property
    def tokens(self) -> Path:
        """The API server's static token file."""
        return self.directory / "tokens.csv"

    @property
    def service_accounts(self) -> Path:
        """The key that signs the tokens of service accounts."""
        return self.directory / "service-accounts.key"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of a user."""
        return self.directory / f"{user}.kubeconfig"

    def make(self) -> None:
        """Make what is not there; what is there stays, so that tokens outlive a restart."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.tokens.exists():
            lines = [
                f'{secrets.token_urlsafe(32)},{user},{name},"{group}"\n'
                for name, (user, group) in USERS.items()
            ]
            _write(self.tokens, "".join(lines))
        if not self.service_accounts.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            text = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
            _write(self.service_accounts, text.decode())

    def write_kubeconfigs(self, url: str, authority: Path) -> None:
        """Write the kubeconfig of every user.

        Args:
            url: Where the API server is.
            authority: The certificate that it is trusted by.
        """
        tokens = {
            fields[2]: fields[0]
            for line in self.tokens.read_text().splitlines()
            if (fields := line.split(","))
        }
        for name in USERS:
            _write(self.kubeconfig(name), kubeconfig(url, authority.read_bytes(), name, tokens[name]))


def kubeconfig(url: str, authority: bytes, user: str, token: str) -> str:
    """A kubeconfig (which is YAML, and so may be JSON)."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "turnout", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "turnout", "context": {"cluster": "turnout", "user": user}}],
        "current-context": "turnout",
    }
    return json.dumps(document, indent=1)


def _write(file: Path, text: str) -> None:
    whole.write(file, text)
    file.chmod(0o600)
