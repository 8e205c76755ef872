"""How long a small answer takes over one connection of `radseek serve`'s own listener, with and without TCP_NODELAY.

    python -m benchmarks.server_delay [--requests 60]

The answer is that of `GET /v1/studies` without an index, so the milliseconds are the connection's. Both kinds are
measured twice, in turn.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import threading
import time

import httpx
import uvicorn

from radseek.app.session import Session
from radseek.cli.serve_commands import _listener
from radseek.server.connections import server_config
from radseek.server.server_app import create_app


def main() -> None:
    """Print the median and the 95th percentile of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60)
    count = parser.parse_args().requests
    with Session.open(None, "random") as session:
        app = create_app(session)
        for without_delay in (0, 1, 0, 1):
            with _listener("127.0.0.1", 0) as listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, without_delay)
                server = uvicorn.Server(server_config(app))
                thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
                thread.start()
                while not server.started:
                    time.sleep(0.02)
                times = _times(listener.getsockname()[1], count)
                server.should_exit = True
                thread.join(20)
            high = sorted(times)[int(0.95 * count)]
            sys.stdout.write(f"TCP_NODELAY {without_delay}: p50 {statistics.median(times):.1f} ms, p95 {high:.1f} ms\n")


def _times(port: int, count: int) -> list[float]:
    times = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _ in range(count):
            began = time.perf_counter()
            client.get("/v1/studies").raise_for_status()
            times.append(1000 * (time.perf_counter() - began))
    return times


if __name__ == "__main__":
    main()
