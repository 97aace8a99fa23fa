"""Waits for what was applied, and says why it does not come.

`readiness` and `reasons` read objects and are pure; `waiter` asks the API server. Called by what deploys
candidates on a cluster, and by whoever installs.
"""

from turnout.fabric.kubernetes.waiting.readiness import Ready, readiness
from turnout.fabric.kubernetes.waiting.waiter import Waiter

__all__ = ["Ready", "Waiter", "readiness"]
