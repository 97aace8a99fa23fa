"""The cluster's real node: containerd, kubelet, kube-proxy, kube-router and CoreDNS beside the control plane.

All of it lives in the cluster's own network and mount namespaces and below one control group: what they have
made is gone with them. Called by `turnout.lab.cluster.up`; `store` and `overlay` by `turnout lab cluster`,
too, once it is up.
"""
