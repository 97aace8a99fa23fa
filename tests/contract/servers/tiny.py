"""A tiny server for the tests of what keeps servers: answers 200, and starts children as told.

    python tiny.py PORT [--child] [--daemon] [--deaf] [--end SECONDS]

`--child` starts a child in the same group; `--daemon` one that leaves group, session and parent; `--deaf` and
its children ignore SIGTERM; `--end` lets the server end by itself.
"""

import http.server
import os
import signal
import sys
import threading
import time


def main(arguments: list[str]) -> None:
    """Serve."""
    if "--deaf" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--child" in arguments and os.fork() == 0:
        _sleep()
    if "--daemon" in arguments and os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _sleep()
        os._exit(0)
    if "--end" in arguments:
        seconds = float(arguments[arguments.index("--end") + 1])
        threading.Timer(seconds, os._exit, (3,)).start()
    print("tiny server says hello", flush=True)
    address = ("127.0.0.1", int(arguments[0]))
    http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()


def _sleep() -> None:
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1:])
