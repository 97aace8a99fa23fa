"""What a cluster can have on top of its control plane: a real node, and what runs on it.

Called by `turnout.lab.cluster.up`: `require`, `build`, `furnish` and `install`, in this order.
"""
