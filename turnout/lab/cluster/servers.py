"""The cluster's servers as they should run: etcd, API server, controller manager, scheduler, kwok."""

from dataclasses import dataclass
from pathlib import Path

from turnout.domain.server import ServerSpec
from turnout.fabric import ports
from turnout.lab.cluster.credentials import Credentials

ETCD, API_SERVER, CONTROLLERS, SCHEDULER, KWOK = (
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok",
)  # fmt: skip
NAMES = (ETCD, API_SERVER, CONTROLLERS, SCHEDULER, KWOK)
_ALONE = {
    "etcd": 2379, "etcd-peer": 2380, API_SERVER: 6443, CONTROLLERS: 10257, SCHEDULER: 10259, KWOK: 10247,
}  # fmt: skip
"""Their usual ports, for a namespace with nobody else in it."""

READY_WITHIN_SECONDS = 180.0
"""Each is ready in seconds on an idle machine; two loaded cores need a multiple."""
LOOPBACK = "127.0.0.1"
SERVICES = "10.96.0.0/16"
"""Addresses of services."""
_GOGC = "300"
"""At 100, which is the default, looking for garbage is a third of what an API server does at its start."""
_MADE_UP = "kwok.x-k8s.io/node=fake"
"""Annotation of the nodes that kwok keeps alive."""


@dataclass(frozen=True)
class Servers:
    """The servers of one cluster.

    Attributes:
        binary: The control plane's one binary.
        root: The state directory.
        credentials: Who may call the API server.
        address: Where the API server is reached: an address of a namespace of its own, or loopback.
        ports: TCP ports by name.
    """

    binary: Path
    root: Path
    credentials: Credentials
    address: str
    ports: dict[str, int]

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"https://{self.address}:{self.ports[API_SERVER]}"

    @property
    def authority(self) -> Path:
        """The certificate that the API server signs itself and is trusted by."""
        return self.root / API_SERVER / "apiserver.crt"

    @property
    def stages(self) -> Path:
        """By which stages kwok's nodes and pods become ready."""
        return self.root / KWOK / "stages.yaml"

    @property
    def store(self) -> Path:
        """The folder of etcd."""
        return self.root / ETCD

    def etcd(self) -> ServerSpec:
        """The store. A file system that a crash of the machine may corrupt is no matter for a lab."""
        client, peer = (f"http://{LOOPBACK}:{self.ports[name]}" for name in ("etcd", "etcd-peer"))
        return self._spec(
            ETCD, ("etcd", "etcd-peer"), f"{client}/readyz",
            f"--data-dir={self.store}", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync", "--quota-backend-bytes=4294967296", "--log-level=warn",
        )  # fmt: skip

    def api_server(self) -> ServerSpec:
        """The API server: RBAC on, service accounts' tokens signed, everything else as it is by default."""
        key = self.credentials.service_accounts
        certificate, certificate_key = self.credentials.kubelet_client
        alone = self.address != LOOPBACK
        return self._spec(
            API_SERVER, (API_SERVER,), f"{self.url}/readyz",
            f"--etcd-servers=http://{LOOPBACK}:{self.ports['etcd']}", "--authorization-mode=Node,RBAC",
            f"--token-auth-file={self.credentials.tokens}", f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-cluster-ip-range={SERVICES}", "--allow-privileged=true",
            f"--bind-address={'0.0.0.0' if alone else LOOPBACK}",  # noqa: S104 -- in a namespace of its own
            f"--advertise-address={self.address}", f"--secure-port={self.ports[API_SERVER]}",
            # An Endpoints object may not name loopback, so there is none.
            f"--endpoint-reconciler-type={'lease' if alone else 'none'}",
            f"--cert-dir={self.authority.parent}", "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={certificate}", f"--kubelet-client-key={certificate_key}",
        )  # fmt: skip

    def controllers(self) -> ServerSpec:
        """The controller manager."""
        return self._spec(
            CONTROLLERS, (CONTROLLERS,), self._https(CONTROLLERS, "/healthz"),
            f"--kubeconfig={self.credentials.kubeconfig('controller-manager')}",
            f"--service-account-private-key-file={self.credentials.service_accounts}",
            f"--root-ca-file={self.authority}", "--use-service-account-credentials=true",
            "--leader-elect=false", *self._listens(CONTROLLERS),
        )  # fmt: skip

    def scheduler(self) -> ServerSpec:
        """The scheduler, with its own defaults."""
        return self._spec(
            SCHEDULER, (SCHEDULER,), self._https(SCHEDULER, "/healthz"),
            f"--kubeconfig={self.credentials.kubeconfig('scheduler')}",
            "--leader-elect=false", *self._listens(SCHEDULER),
        )  # fmt: skip

    def kwok(self) -> ServerSpec:
        """Kwok, for nodes with its annotation only: real nodes may stand beside them."""
        at = f"{LOOPBACK}:{self.ports[KWOK]}"
        return self._spec(
            KWOK, (KWOK,), f"http://{at}/healthz",
            f"--kubeconfig={self.credentials.kubeconfig('kwok')}", f"--config={self.stages}",
            f"--manage-nodes-with-annotation-selector={_MADE_UP}", "--node-lease-duration-seconds=40",
            f"--server-address={at}",
        )  # fmt: skip

    def _https(self, name: str, path: str) -> str:
        return f"https://{LOOPBACK}:{self.ports[name]}{path}"

    def _listens(self, name: str) -> tuple[str, str]:
        return (f"--bind-address={LOOPBACK}", f"--secure-port={self.ports[name]}")

    def _spec(self, name: str, ports: tuple[str, ...], ready_url: str, *arguments: str) -> ServerSpec:
        alone = self.address != LOOPBACK  # ports of another namespace: nobody here can hold them
        return ServerSpec(
            name=name, environment="core", command=(str(self.binary), name, *arguments), ready_url=ready_url,
            ports=() if alone else tuple(self.ports[each] for each in ports),
            env={"HOME": str(self.root), "NO_PROXY": self.address, "no_proxy": self.address, "GOGC": _GOGC},
        )  # fmt: skip


def own_ports() -> dict[str, int]:
    """The ports of a cluster that has a namespace to itself."""
    return dict(_ALONE)


def free_ports() -> dict[str, int]:
    """Free ports for a cluster on loopback."""
    found: dict[str, int] = {}
    for name in _ALONE:
        found[name] = ports.pick(set(found.values()))
    return found
