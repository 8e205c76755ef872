"""A server on loopback that speaks the chat-completions protocol, well or badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, bytes]


@dataclass
class Chat:
    """How the server behaves, and what it was asked. `reply` gets the request's document."""

    reply: Callable[[dict[str, Any]], Reply]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    wait: float = 0.0  # before the answer
    drip: float = 0.0  # between its bytes
    extra: dict[str, str] = field(default_factory=dict)  # headers of the answer
    stop: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chat: Chat

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""

    def do_GET(self) -> None:
        document = {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 0, "owned_by": "tests"}]}
        self.send(200, json.dumps(document).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.chat.asked.append(json.loads(body))
        self.chat.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.chat.stop.wait(self.chat.wait)
        self.send(*self.chat.reply(self.chat.asked[-1]))

    def send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **self.chat.extra}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if not self.chat.drip:
                self.wfile.write(body)
            for byte in body if self.chat.drip else b"":
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.chat.stop.wait(self.chat.drip):
                    return
        except OSError:
            self.close_connection = True  # the client went away


def completion(content: object, **message: object) -> bytes:
    """Return a chat completion as servers write it."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **message}}
    document = {
        "id": "1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "tiny",
        "choices": [choice],
    }
    return json.dumps(document).encode()


def says(content: object) -> Callable[[dict[str, Any]], Reply]:
    return lambda _: (200, completion(content))


@contextmanager
def serve(chat: Chat) -> Iterator[Chat]:
    """Serve until the block ends; `chat.url` is the base URL."""
    handler = type("BoundHandler", (Handler,), {"chat": chat})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def dead_url() -> str:
    """Return the URL of a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
