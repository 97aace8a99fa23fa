"""Takes what a Gateway's proxies tell of each request, and writes it where the lab's Envoy writes its log.

Runs inside the sentinel that leads, which reads the log each second. Pure: `joining`. Input and output:
`inbox` (records become lines of files), `server` (OpenTelemetry's logs service over gRPC).
"""
