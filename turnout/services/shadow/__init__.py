"""The shadow service: takes captured exchanges from the router, off the request path, replays and compares.

Started as `python -m turnout.services.shadow --port P`; Envoy streams to that port (external processing in
observability mode). Captures go to a bounded file a model; while an attempt is live, exchanges are replayed
to the other arm and compared by the contract, a line each, which the shadow test and the sentinel read.
"""
