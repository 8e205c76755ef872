"""A Hugging Face hub on loopback: the endpoints that `huggingface_hub` asks, serving folders as repositories."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LFS_SUFFIXES = (".bin", ".safetensors")


@dataclass
class Hub:
    """What the hub holds: repositories by name, each one folder at one commit; and what it was asked."""

    repositories: dict[str, Path]
    commits: dict[str, str]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)  # files whose bytes change on the way
    gated: set[str] = field(default_factory=set)  # repositories that are listed, and whose files are not given

    def commit(self, repository: str, revision: str) -> str | None:
        sha = self.commits.get(repository)
        return sha if revision in (sha, "main") else None


def describe(repository: str, folder: Path, sha: str) -> dict[str, Any]:
    siblings = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": blob}
        if path.suffix in LFS_SUFFIXES:
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
        siblings.append(entry)
    return {"id": repository, "modelId": repository, "sha": sha, "private": False, "siblings": siblings, "tags": []}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.hub.requests.append(f"{self.command} {path}")
        parts = path.split("/")
        if parts[:2] == ["api", "models"] and parts[4:5] == ["revision"]:
            self.info("/".join(parts[2:4]), "/".join(parts[5:]), body=body)
        elif parts[2:3] == ["resolve"]:
            self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body=body)
        elif parts[:2] == ["api", "models"] and len(parts) == 4:
            self.info("/".join(parts[2:4]), "main", body=body)
        else:
            self.refuse("EntryNotFound")

    def info(self, repository: str, revision: str, *, body: bool) -> None:
        sha = self.known(repository, revision)
        if sha is not None:
            description = describe(repository, self.hub.repositories[repository], sha)
            self.send(json.dumps(description).encode(), {"Content-Type": "application/json"}, body=body)

    def file(self, repository: str, revision: str, name: str, *, body: bool) -> None:
        sha = self.known(repository, revision)
        if sha is None:
            return
        if repository in self.hub.gated:
            self.refuse("GatedRepo", sha, status=403)
            return
        path = self.hub.repositories[repository] / name
        if not path.is_file():
            self.refuse("EntryNotFound", sha)
            return
        content = path.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        if name in self.hub.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": sha}, body=body)

    def known(self, repository: str, revision: str) -> str | None:
        if repository not in self.hub.repositories:
            self.refuse("RepoNotFound")
            return None
        sha = self.hub.commit(repository, revision)
        if sha is None:
            self.refuse("RevisionNotFound")
        return sha

    def refuse(self, code: str, sha: str = "", *, status: int = 404) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": code} | ({"X-Repo-Commit": sha} if sha else {})
        self.send(b"{}", headers, status=status)

    def send(self, content: bytes, headers: dict[str, str], *, body: bool = True, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(content)


@contextmanager
def serve(repositories: dict[str, Path], commits: dict[str, str]) -> Iterator[Hub]:
    """Serve until the block ends; `hub.url` is the value for HF_ENDPOINT."""
    hub = Hub(repositories, commits)
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
