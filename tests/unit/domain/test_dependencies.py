import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.dependencies import dependencies

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "value", "url", "secretKeyRef", "claimName", "env"]), inner
        )
    ),
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"storageUri": "pvc://models/iris"}, ("volume/models",)),
        ({"storageUri": "s3://models/iris"}, ()),
        ({"serviceAccountName": "sa"}, ("account/sa",)),
        ({"logger": {"url": "http://sink.logs.svc:80/x"}}, ("service/logs/sink",)),
        ({"env": [{"name": "A", "value": "https://api.example.com/v1"}]}, ("host/api.example.com",)),
        ({"env": [{"name": "A", "value": "http://[broken"}]}, ()),
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, ("configmap/c",)),
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, ("secret/s",)),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "v"}}]}, ("volume/v",)),
        ({"volumes": [{"secret": {"secretName": "s"}}]}, ("secret/s",)),
    ],
)  # fmt: skip
def test_what_a_manifest_refers_to_is_found(spec, expected):
    """Services, hosts, secrets, config maps, claims and accounts, wherever in the spec they stand."""
    assert dependencies(spec) == expected


@settings(deadline=None)
@given(spec=json_values)
def test_no_spec_brings_it_down(spec):
    """Any JSON gives a sorted tuple of names, each once."""
    found = dependencies(spec)
    assert list(found) == sorted(set(found))
