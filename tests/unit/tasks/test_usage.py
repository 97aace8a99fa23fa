import os

from tasks.usage import Usage
from turnout.domain.server import ServerStatus


class Servers:
    """Knows one server: this very process; and can be told to forget it."""

    def __init__(self):
        """Know it."""
        self.pids = {"triton-iris-1": os.getpid()}

    def status(self, name):
        """How a server is."""
        return ServerStatus(name=name, state="ready", pid=self.pids.get(name))


def test_a_known_server_is_measured_and_an_unknown_one_is_not_made_up():
    """Processor time since the beginning and memory now; what is not known is None and never zero."""
    usage = Usage(Servers(), "iris-1", legacy="legacy-iris")
    sum(n * n for n in range(2_000_000))
    found = usage.measured()
    assert found["legacy"] is None
    assert found["candidate"]["cpu_seconds"] > 0
    assert found["candidate"]["rss_mib"] > 1
    assert found["candidate"]["server"] == "triton-iris-1"


def test_a_server_that_is_gone_is_unknown():
    """A server that ended during the test has no figures."""
    servers = Servers()
    usage = Usage(servers, "iris-1", legacy="legacy-iris")
    servers.pids.clear()
    assert usage.measured() == {"candidate": None, "legacy": None}
