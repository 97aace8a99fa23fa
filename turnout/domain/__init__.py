"""Facts and decisions. Nothing in this room does I/O; everything in it can be tested without a server."""
