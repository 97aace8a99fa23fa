from turnout.fabric.kubernetes.inputs import Input, wanted


def pod_of(**spec):
    """A Deployment with one container."""
    container = {"name": "any", "env": spec.pop("env", []), "envFrom": spec.pop("env_from", [])}
    template = {"spec": {"containers": [container], **spec}}
    return {"kind": "Deployment", "metadata": {"name": "a", "namespace": "n"}, "spec": {"template": template}}


def variable(kind, name, key, **more):
    """A variable from a key."""
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": key, **more}}}


def test_what_pods_name_is_wanted_once_with_all_its_keys():
    """Variables, volumes and init containers; two keys of one Secret are one input."""
    item = pod_of(
        env=[variable("secretKeyRef", "s", "b"), variable("secretKeyRef", "s", "a")],
        volumes=[{"name": "v", "configMap": {"name": "c"}}, {"name": "w", "emptyDir": {}}],
        initContainers=[{"name": "i", "env": [variable("configMapKeyRef", "d", "k")]}],
    )
    assert wanted([item]) == (
        Input("ConfigMap", "c", "n"),
        Input("ConfigMap", "d", "n", ("k",)),
        Input("Secret", "s", "n", ("a", "b")),
    )


def test_what_is_among_them_or_optional_is_not_wanted():
    """An object that the same manifests make, and what a pod can do without."""
    item = pod_of(
        env=[variable("secretKeyRef", "o", "a", optional=True)], env_from=[{"configMapRef": {"name": "made"}}]
    )
    made = {"kind": "ConfigMap", "metadata": {"name": "made", "namespace": "n"}}
    assert wanted([item, made]) == ()
    assert [each.name for each in wanted([item])] == ["made"]


def test_certificates_and_storage_classes_are_wanted_too():
    """A listener's certificate, the class of a claim and of a StatefulSet's claims."""
    gateway = {
        "kind": "Gateway", "metadata": {"name": "g", "namespace": "n"},
        "spec": {"listeners": [{"tls": {"certificateRefs": [{"name": "t"}]}}, {"port": 80}]},
    }  # fmt: skip
    claim = {
        "kind": "PersistentVolumeClaim", "metadata": {"name": "p", "namespace": "n"},
        "spec": {"storageClassName": "fast"},
    }  # fmt: skip
    assert wanted([gateway, claim]) == (
        Input("Secret", "t", "n", ("tls.crt", "tls.key")),
        Input("StorageClass", "fast", ""),
    )


def test_what_is_lacking_is_said_in_words():
    """A missing object with the keys that it needs, or the keys that it lacks."""
    one = Input("Secret", "s", "n", ("a", "b"))
    assert one.lacking(None) == "Secret s (keys: a, b) is not there"
    assert one.lacking({"data": {"a": "x"}}) == "Secret s has no key b"
    assert one.lacking({"data": {"a": "x", "b": "y"}}) is None
