"""The part of a Label Studio server that an oracle and an expert use, answering in its shapes."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PERSONAL, ACCESS = "head.personal.sign", "head.access.sign"


def _only(record: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key in fields}


class StandIn:
    """Listens on a free port of this machine while the context is open.

    faults: statuses that the next requests get, one each, instead of what they ask for.
    """

    def __init__(self) -> None:
        self.token = TOKEN
        self.faults: list[int] = []
        self.requests: list[str] = []
        self.projects: list[dict[str, Any]] = []
        self.stored: list[dict[str, Any]] = []
        self.expired = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=30)

    def reply(self, method: str, address: str, body: Any, authorization: str) -> tuple[int, Any]:
        parts = urlsplit(address)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.requests.append(f"{method} {parts.path}")
        if self.faults:
            return self.faults.pop(0), {"detail": "scripted"}
        if parts.path == "/api/token/refresh":
            return (200, {"access": ACCESS}) if body == {"refresh": PERSONAL} else (401, {"detail": "no such token"})
        if authorization not in (f"Token {TOKEN}", f"Bearer {ACCESS}") or self.expired:
            self.expired = False
            return 401, {"detail": "Invalid token."}
        match (method, parts.path):
            case ("POST", "/api/token/"):
                return 201, {"token": PERSONAL}
            case ("GET", "/api/projects/"):
                return 200, {"count": len(self.projects), "next": None, "results": self.projects}
            case ("POST", "/api/projects/"):
                self.projects.append({**body, "id": len(self.projects) + 1})
                return 201, self.projects[-1]
            case ("GET", "/api/tasks"):
                return self._page(query)
        if found := re.fullmatch(r"/api/projects/(\d+)/import", parts.path):
            for task in body:
                self.stored.append({"id": len(self.stored) + 1, "project": int(found[1]), "annotations": [], **task})
            return 201, {"task_count": len(body)}
        if found := re.fullmatch(r"/api/tasks/(\d+)/annotations/", parts.path):
            task = self.stored[int(found[1]) - 1]
            now = datetime.now(timezone.utc).isoformat()
            annotation = {"id": len(task["annotations"]) + 1, "completed_by": 1, "was_cancelled": False, **body}
            task["annotations"].append({**annotation, "created_at": now, "updated_at": now})
            return 201, annotation
        return 404, {"detail": "Not found."}

    def _page(self, query: dict[str, str]) -> tuple[int, Any]:
        tasks = [task for task in self.stored if task["project"] == int(query["project"])]
        size, page = int(query["page_size"]), int(query.get("page", 1))
        shown = tasks[(page - 1) * size : page * size]
        if "include" in query:
            # the real one applies the list to the objects inside as well
            fields = query["include"].split(",")
            shown = [
                {**_only(task, fields), "annotations": [_only(each, fields) for each in task["annotations"]]}
                for task in shown
            ]
        return (
            (200, {"total": len(tasks), "tasks": shown}) if shown or page == 1 else (404, {"detail": "Invalid page."})
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or b"null")
                status, content = outer.reply(self.command, self.path, body, self.headers.get("Authorization", ""))
                data = json.dumps(content).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://elsewhere.example")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = answer  # noqa: N815  (the name that the base class looks for)
            do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
