"""Who may call whom, and with what: tokens, the key for service accounts, kubeconfigs, a certificate."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

from turnout.fabric import whole
from turnout.lab.cluster import certificates

ADMIN, NODE, PROXY, DNS, POLICIES = "admin", "kubelet", "kube-proxy", "coredns", "kube-router"
NODE_NAME = "node-0"
"""Name of the one real node."""
USERS = {
    ADMIN: ("kubernetes-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),  # it stands for the kubelets of all made-up nodes
    NODE: (f"system:node:{NODE_NAME}", "system:nodes"),
    PROXY: ("system:kube-proxy", ""),
    DNS: ("coredns", "system:masters"),  # it reads services and endpoints everywhere
    POLICIES: ("kube-router", "system:masters"),  # it reads pods and network policies everywhere
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

    @property
    def kubelet_client(self) -> tuple[Path, Path]:
        """Certificate and key by which the kubelet knows the API server."""
        return self.directory / "kubelet-client.crt", self.directory / "kubelet-client.key"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of a user."""
        return self.directory / f"{user}.kubeconfig"

    def make(self) -> None:
        """Make what is not there; what is there stays, so that tokens outlive a restart."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = self._known()
        lines = [
            f'{known.get(name) or secrets.token_urlsafe(32)},{user},{name},"{group}"\n'
            for name, (user, group) in USERS.items()
        ]
        _write(self.tokens, "".join(lines))
        if not self.service_accounts.exists():
            _write(self.service_accounts, certificates.pem(certificates.private_key()))
        if not self.kubelet_client[0].exists():
            key = certificates.private_key()
            _write(self.kubelet_client[1], certificates.pem(key))
            _write(self.kubelet_client[0], certificates.self_signed(key, "kube-apiserver", serves=False))

    def write_kubeconfigs(self, url: str, authority: Path) -> None:
        """Write the kubeconfig of every user.

        Args:
            url: Where the API server is.
            authority: The certificate that it is trusted by.
        """
        tokens = self._known()
        for name in USERS:
            _write(self.kubeconfig(name), kubeconfig(url, authority.read_bytes(), name, tokens[name]))

    def _known(self) -> dict[str, str]:
        """Tokens by the names of their users."""
        lines = self.tokens.read_text().splitlines() if self.tokens.exists() else []
        return {fields[2]: fields[0] for line in lines if (fields := line.split(","))}


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
