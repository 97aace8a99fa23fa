"""Pods of the node, as who breaks them sees them."""

from pathlib import Path


def pods(writer, namespace, chosen):
    """Pods by name, without those that are being ended."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    items = writer.call("GET", path, {"labelSelector": chosen})["items"]
    return {each["metadata"]["name"]: each for each in items if "deletionTimestamp" not in each["metadata"]}


def ready(found):
    """Names of pods that are ready."""
    return {
        name
        for name, each in found.items()
        if any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"].get("conditions", ()))
    }


def process_of(pod, program):
    """The process of a pod on this machine: it has the pod's name for a host's, and runs the program."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                if f"HOSTNAME={pod}".encode() in environment and program in (folder / "cmdline").read_text():
                    return int(folder.name)
            except OSError:  # it has ended, or is none of ours
                continue
    return None
