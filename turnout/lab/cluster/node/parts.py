"""The node's servers as they should run, and their configuration."""

import json
from dataclasses import dataclass
from pathlib import Path

from turnout.domain.server import ServerSpec
from turnout.fabric import cgroups, marks, whole
from turnout.lab.cluster import images, servers
from turnout.lab.cluster.credentials import DNS, NODE, NODE_NAME, POLICIES, PROXY, Credentials
from turnout.lab.cluster.node import containerd, inside, packages

KUBELET, KUBE_PROXY, KUBE_ROUTER, COREDNS = "kubelet", "kube-proxy", "kube-router", "coredns"
NAMES = (containerd.NAME, KUBELET, KUBE_PROXY, KUBE_ROUTER, COREDNS)

PODS = "10.244.0.0/24"
"""Addresses of pods."""

_LOOPBACK = "127.0.0.1"
_READY = {KUBELET: 10248, KUBE_PROXY: 10256, KUBE_ROUTER: 20244, COREDNS: 8181}
"""Ports at which each says that it is ready."""


@dataclass(frozen=True)
class Parts:
    """The servers of the one node.

    Attributes:
        kubernetes: The binary that kubelet, kube-proxy and kube-router are in.
        coredns: CoreDNS's binary.
        pause: What holds a pod's namespaces.
        root: The state directory.
        credentials: Who may call the API server.
        address: The node's address.
    """

    kubernetes: Path
    coredns: Path
    pause: Path
    root: Path
    credentials: Credentials
    address: str

    def configure(self) -> None:
        """Write what they read."""
        whole.write(self._file("containerd.toml"), self._containerd_settings())
        whole.write(self._file("cni/pods.conflist"), json.dumps(_network(), indent=1))
        whole.write(self._file("kubelet.json"), json.dumps(self._kubelet_settings(), indent=1))
        whole.write(self._file("resolv.conf"), "")
        whole.write(self._file("Corefile"), self._zones())

    def containerd(self) -> ServerSpec:
        """What runs containers."""
        return containerd.spec(self._file("containerd.toml"))

    def kubelet(self) -> ServerSpec:
        """What runs the node's pods."""
        return self._spec(
            KUBELET, f"http://{_LOOPBACK}:{_READY[KUBELET]}/healthz",
            str(self.kubernetes), KUBELET, f"--config={self._file('kubelet.json')}",
            f"--kubeconfig={self.credentials.kubeconfig(NODE)}", f"--hostname-override={NODE_NAME}",
            f"--node-ip={self.address}", f"--root-dir={inside.KUBELET}",
        )  # fmt: skip

    def kube_proxy(self) -> ServerSpec:
        """What makes services' addresses work. The kernel's limits of connections are not the namespace's."""
        return self._spec(
            KUBE_PROXY, f"http://{_LOOPBACK}:{_READY[KUBE_PROXY]}/healthz",
            str(self.kubernetes), KUBE_PROXY, f"--kubeconfig={self.credentials.kubeconfig(PROXY)}",
            f"--hostname-override={NODE_NAME}", "--proxy-mode=iptables", f"--cluster-cidr={PODS}",
            f"--healthz-bind-address={_LOOPBACK}:{_READY[KUBE_PROXY]}", "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
        )  # fmt: skip

    def kube_router(self) -> ServerSpec:
        """What holds pods to the network policies that select them; nothing else of its work is asked for."""
        return self._spec(
            KUBE_ROUTER, f"http://{_LOOPBACK}:{_READY[KUBE_ROUTER]}/healthz",
            str(self.kubernetes), KUBE_ROUTER, f"--kubeconfig={self.credentials.kubeconfig(POLICIES)}",
            f"--hostname-override={NODE_NAME}", f"--service-cluster-ip-range={servers.SERVICES}",
            f"--health-port={_READY[KUBE_ROUTER]}",
        )  # fmt: skip

    def dns(self) -> ServerSpec:
        """What resolves services' names, on the node's own address."""
        return self._spec(
            COREDNS, f"http://{_LOOPBACK}:{_READY[COREDNS]}/ready",
            str(self.coredns), f"-conf={self._file('Corefile')}",
        )  # fmt: skip

    def _containerd_settings(self) -> str:
        cri = f'[plugins."{containerd.CRI}"'
        plugins = f"""{cri}]
sandbox_image = "{images.reference(self.pause)}"
# In a sandbox nobody may lower the score by which the kernel picks a process when memory is short.
restrict_oom_score_adj = true
{cri}.cni]
bin_dir = "{packages.PLUGINS}"
conf_dir = "{self._file("cni")}"
{cri}.containerd]
snapshotter = "overlayfs"
"""
        return containerd.settings(self.root, plugins=plugins)

    def _kubelet_settings(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.credentials.kubelet_client[0])},
            },
            "authorization": {"mode": "AlwaysAllow"},  # of those that have the API server's certificate
            "containerRuntimeEndpoint": f"unix://{inside.SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroups.name(marks.lab_id(self.root))}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDomain": "cluster.local",
            "clusterDNS": [self.address],
            "resolvConf": str(self._file("resolv.conf")),
            "volumePluginDir": str(self.root / "kubelet" / "volume-plugins"),
            # The machine is not the node's alone: what others use of it must not evict a pod.
            "evictionHard": {},
            "enforceNodeAllocatable": [],
            # No image comes back that was removed: there is no registry.
            "imageGCHighThresholdPercent": 100,
        }

    def _zones(self) -> str:
        return f"""cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {self.address}
    errors
    ready {_LOOPBACK}:{_READY[COREDNS]}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {self.credentials.kubeconfig(DNS)}
        pods insecure
    }}
    cache 5
}}
"""

    def _file(self, name: str) -> Path:
        return self.root / "node" / name

    def _spec(self, name: str, ready_url: str, *command: str) -> ServerSpec:
        return ServerSpec(
            name=name, environment="core", command=command, ready_url=ready_url,
            env={"NO_PROXY": self.address, "no_proxy": self.address},
        )  # fmt: skip


def _network() -> dict[str, object]:
    """Each pod has a link of its own to the node, which routes: on a bridge answers could pass by it."""
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
