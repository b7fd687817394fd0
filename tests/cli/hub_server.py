"""A stand-in for the few calls of the Hub that `push` needs, on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_a_test"
COMMIT = "0123456789abcdef0123456789abcdef{:08x}"


@dataclass
class Repository:
    """branches: files by name, each branch by its own. tags: the commit of each. commits: messages."""

    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    tags: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class Hub(ThreadingHTTPServer):
    """refuse: status of every answer to a request that would write, if not null."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.refuse: int | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        _, repo, what, _ = self._path()
        if what != "refs":
            return self._answer(404, {"error": "Not found"})
        repository = self.server.repositories[repo]
        tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": at} for tag, at in repository.tags.items()]
        self._answer(200, {"branches": [], "converts": [], "tags": tags})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refuse or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer(self.server.refuse or 401, {"error": "Said by the Hub"})
        kind, repo, what, revision = self._path()
        if kind == "repos":
            return self._create(json.loads(body))
        if kind == "validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        getattr(self, f"_{what}")(self.server.repositories[repo], repo, revision, body)

    def _path(self) -> tuple[str, str, str, str]:
        """Kind, repository, what is wanted of it, and at which revision."""
        parts = [*urlsplit(self.path).path.split("/")[2:], "", "", "", ""]
        return parts[0], "/".join(parts[1:3]), parts[3], unquote(parts[4])

    def _create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization']}/{wanted['name']}"
        url = {"url": f"{self.server.url}/{repo}"}
        if repo in self.server.repositories:
            return self._answer(409, {"error": "You already created this model repo", **url})
        # huggingface_hub has asked in both ways
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        self.server.repositories[repo] = Repository(private)
        self._answer(200, url)

    def _branch(self, repository: Repository, repo: str, revision: str, body: bytes) -> None:
        known = revision in repository.branches
        repository.branches.setdefault(revision, {})
        self._answer(409 if known else 200, {})

    def _tag(self, repository: Repository, repo: str, revision: str, body: bytes) -> None:
        repository.tags[json.loads(body)["tag"]] = revision
        self._answer(200, {})

    def _preupload(self, repository: Repository, repo: str, revision: str, body: bytes) -> None:
        paths = [file["path"] for file in json.loads(body)["files"]]
        files = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
        self._answer(200, {"files": files})

    def _commit(self, repository: Repository, repo: str, revision: str, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                repository.commits.append(value["summary"])
            else:
                repository.branches[revision][value["path"]] = base64.b64decode(value["content"])
        oid = COMMIT.format(len(repository.commits))
        self._answer(200, {"commitUrl": f"{self.server.url}/{repo}/commit/{oid}", "commitOid": oid})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
