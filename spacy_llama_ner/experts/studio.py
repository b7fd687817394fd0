"""Label Studio's HTTP API, as far as an oracle needs it (https://api.labelstud.io)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"
# seconds that one request may take, and the waits before it is tried again
PATIENCE = 60.0
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
PAGE = 100
# Fields of tasks and, at the same time, of their annotations: all others cost the server most of its time.
WANTED = "id,data,annotations,result,was_cancelled,completed_by,created_at,updated_at"


class StudioError(OSError):
    """A Label Studio server that cannot be worked with; the message says what to do."""


class StudioSilentError(StudioError):
    """A server that does not answer now."""


class _NoRedirect(HTTPRedirectHandler):
    """Where a server sends us is none of the token's business."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Studio:
    """A server at `url`. The token comes from the environment variable `LABEL_STUDIO_API_KEY` and goes nowhere else.

    Both kinds of token are taken: the legacy one, and the personal access token, which is exchanged for one that
    lasts minutes, as often as need be. Raises StudioError without a token, or where `url` is no http address.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise StudioError(f"{url!r} is no address of a server. Give one such as http://localhost:8080.")
        self.url = url.rstrip("/")
        self._token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not self._token:
            raise StudioError(
                f"There is no token for {self.url}. Copy yours from Account & Settings in Label Studio, and set the "
                f"environment variable {TOKEN_VARIABLE} to it."
            )
        self._access: str | None = None
        self._opener = build_opener(_NoRedirect)

    def find_project(self, title: str) -> dict[str, Any] | None:
        """The project of this title; of several the first one made."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            reply = self.call("GET", "/api/projects/", query={"page": page, "page_size": PAGE})
            found += [each for each in reply["results"] if each["title"] == title]
            if not reply.get("next"):
                return min(found, key=lambda each: int(each["id"]), default=None)
            page += 1

    def make_project(self, title: str, interface: str) -> dict[str, Any]:
        """A new project with this labelling interface."""
        body = {"title": title, "label_config": interface, "show_collab_predictions": True}
        project: dict[str, Any] = self.call("POST", "/api/projects/", body=body)
        return project

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """All tasks of a project, with data and annotations."""
        page, seen, total = 1, 0, 1
        while seen < total:
            query = {
                "project": project,
                "page": page,
                "page_size": PAGE,
                "fields": "all",
                "include": WANTED,
            }
            reply = self.call("GET", "/api/tasks", query=query)
            tasks, total = reply["tasks"], reply["total"]
            yield from tasks
            seen, page = seen + len(tasks), page + 1
            if not tasks:
                return

    def import_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
        """Add tasks. This request alone is never repeated by itself: nobody knows whether a lost one arrived."""
        self.call("POST", f"/api/projects/{project}/import", body=list(tasks), again=False)

    def call(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None, again: bool = True
    ) -> Any:
        """The JSON reply to one request. Raises StudioError.

        again: try again, with growing waits, what failed for reasons that pass: no connection, or a status of 429 or
            500 and more.
        """
        for wait in (*(WAITS if again else ()), None):
            try:
                return self._request(method, path, query, body)
            except HTTPError as error:
                passes = error.code >= 500 or error.code == 429
                if not passes or wait is None:
                    kind = StudioSilentError if passes else StudioError
                    raise kind(self._explain(method, path, error)) from error
            except (URLError, TimeoutError, ConnectionError, ValueError) as error:
                if wait is None:
                    reason = getattr(error, "reason", error)
                    raise StudioSilentError(
                        f"{self.url} does not answer as Label Studio does ({reason}). Is it running, and the address "
                        "right? Start it, and give the same command again: it goes on where it was."
                    ) from error
            time.sleep(wait)
        raise AssertionError("the last attempt ends the loop")

    def _request(self, method: str, path: str, query: dict[str, Any] | None, body: Any) -> Any:
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            return self._send(method, address, body, self._authorization())
        except HTTPError as error:
            if error.code != 401 or self._access is None:
                raise
            # the short-lived token has run out
            self._access = None
            return self._send(method, address, body, self._authorization())

    def _authorization(self) -> str:
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        if self._access is None:
            reply = self._send("POST", f"{self.url}/api/token/refresh", {"refresh": self._token}, None)
            self._access = str(reply["access"])
        return f"Bearer {self._access}"

    def _send(self, method: str, address: str, body: Any, authorization: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(Request(address, data, headers, method=method), timeout=PATIENCE) as reply:
            return json.loads(reply.read())

    def _explain(self, method: str, path: str, error: HTTPError) -> str:
        said = error.read(2000).decode("utf8", errors="replace")
        if error.code in (401, 403):
            return (
                f"{self.url} refuses the token (status {error.code}). Copy a valid one from Account & Settings, and "
                f"set the environment variable {TOKEN_VARIABLE} to it. {said}"
            )
        if 300 <= error.code < 400:
            return f"{self.url} sends us on to {error.headers.get('Location')}. Give that address."
        return f"{method} {path} at {self.url} failed with status {error.code}: {said}"
