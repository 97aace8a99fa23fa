"""Bridges: Ray Serve applications that speak a client's protocol to a runtime that speaks another."""
