"""What pods of the node can connect to, asked from inside of them."""

import json

from tests.cluster.node.installing import kubectl

PYTHON = "python3"
"""What images of the node have, wherever their own environment lies."""
_PROGRAM = """
import concurrent.futures, json, socket, sys

def reached(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True

addresses = sys.argv[1:]
with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
    print(json.dumps([one for one, is_reached in zip(addresses, pool.map(reached, addresses)) if is_reached]))
"""


def reached(cluster, namespace, pod, addresses):
    """Those of some addresses, `host:port`, to which a connection can be made.

    Args:
        cluster: The cluster.
        namespace: Of the pod.
        pod: What `kubectl exec` takes; its image has Python.
        addresses: To try, at the same time.
    """
    inside = (f"--namespace={namespace}", "exec", "--quiet", pod, "--", PYTHON, "-c", _PROGRAM)
    return set(json.loads(kubectl(cluster, *inside, *addresses)))
