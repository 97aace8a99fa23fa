"""A real Kubernetes control plane on this machine: etcd, API server, controllers, scheduler, and kwok.

Built from Go modules once, started in seconds; to try Turnout on a cluster, and for tests/cluster. As
root it has a network namespace of its own, else free ports on loopback; everything lies under one state
directory, and clusters run side by side. Called by `turnout lab cluster`.
"""
