"""The pods that KubeRay's controller makes of a RayService, without KubeRay: head, workers, their labels."""

import copy


def pods_of(service):
    """Head and workers, each group with its replicas of so many hosts, labelled as by KubeRay v1.6."""
    cluster = service["spec"]["rayClusterConfig"]
    yield _pod(service, cluster["headGroupSpec"]["template"], "head", {})
    for group in cluster["workerGroupSpecs"]:
        for replica in range(group["replicas"]):
            for host in range(group["numOfHosts"]):
                labels = {"ray.io/group": group["groupName"]}
                if group["numOfHosts"] > 1:
                    labels["ray.io/worker-group-replica-name"] = f"{group['groupName']}-{replica}"
                    labels["ray.io/replica-host-index"] = str(host)
                yield _pod(service, group["template"], f"worker-{replica}-{host}", labels)


def _pod(service, template, suffix, labels):
    made = copy.deepcopy(template)
    mine = made.get("metadata", {}).get("labels", {})
    made["metadata"] = {
        "name": f"{service['metadata']['name']}-{suffix}",
        "namespace": service["metadata"]["namespace"],
        "labels": mine | labels | {"ray.io/cluster": service["metadata"]["name"]},
    }
    return {"apiVersion": "v1", "kind": "Pod", **made}
