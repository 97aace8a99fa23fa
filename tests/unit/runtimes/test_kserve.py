"""The legacy side is called where the settings say."""

import pytest

from runtimes import Endpoint
from runtimes.kserve import KServe
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.route import Backend


def test_a_model_is_where_the_settings_say():
    """Host and port."""
    assert KServe({"iris": "127.0.0.1:8080"}).endpoint("iris") == Endpoint(host="127.0.0.1", port=8080)


def test_an_unknown_model_is_not_found():
    """The error names the model."""
    with pytest.raises(NotFoundError, match="iris"):
        KServe({}).endpoint("iris")


@pytest.mark.parametrize("address", ["8080", ":8080", "host:", "host:http", ""])
def test_another_form_is_refused(address):
    """host:port and nothing else."""
    with pytest.raises(InvalidInputError, match="host:port"):
        KServe({"iris": address}).endpoint("iris")


class Cluster:
    """A cluster that knows one model, and counts how often it is asked."""

    def __init__(self):
        """Not asked yet."""
        self.asked = []

    def address(self, model):
        """Where it is."""
        self.asked.append(model)
        return Backend(name=f"{model}-legacy", host=f"{model}-predictor.models.svc.cluster.local", port=80)


def test_what_the_settings_do_not_name_is_found_in_the_cluster():
    """Once a process; the settings win where they say something."""
    cluster = Cluster()
    legacy = KServe({"wine": "ingress.svc:8080"}, cluster)
    for _ in range(2):
        assert legacy.endpoint("iris") == Endpoint(host="iris-predictor.models.svc.cluster.local", port=80)
    assert legacy.endpoint("wine") == Endpoint(host="ingress.svc", port=8080)
    assert cluster.asked == ["iris"]
