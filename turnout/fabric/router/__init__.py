"""Where the traffic goes: the router in front of every model, its files, and the fence that ends an attempt.

`envoy` is the real router of the lab, `memory` the fake; both implement `turnout.domain.route.Router` and
pass the same tests. Called by the sentinel, the command `rollback` and the flows. Loads nothing slow.
"""
