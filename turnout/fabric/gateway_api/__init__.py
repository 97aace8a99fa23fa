"""The router on Kubernetes: one HTTPRoute a model, its weights and policies, through Envoy Gateway.

`router` implements `turnout.domain.route.Router`; what decides and what is rendered (`record`, `deciding`,
`rules`, `policies`, `door`) is pure. Called by the sentinel, the command `rollback` and the flows
(docs/adr/0007).
"""
