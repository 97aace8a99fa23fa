from turnout.lab.cluster.node import volumes

SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def test_every_claim_has_its_name_those_of_stateful_sets_too():
    """A claim is one, a StatefulSet makes one of each template for each replica, nothing else makes any."""
    state = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "state", "namespace": "ours"},
        "spec": SPEC,
    }
    database = {
        "kind": "StatefulSet",
        "metadata": {"name": "database", "namespace": "ours"},
        "spec": {"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": SPEC}]},
    }
    found = list(volumes.claims([state, {"kind": "Service", "metadata": {"name": "state"}}, database]))

    assert [each["metadata"]["name"] for each in found] == ["state", "data-database-0", "data-database-1"]
    assert all(each["metadata"]["namespace"] == "ours" and each["spec"] == SPEC for each in found)
