"""An expert at a Label Studio server: sees tasks, and annotates them, through the same API that the browser uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen


@dataclass(frozen=True)
class Expert:
    url: str
    token: str

    def tasks(self, project: str) -> dict[str, dict[str, Any]]:
        """The tasks of a project by their text; where one text has two, there are two keys."""
        found = [each["id"] for each in self._call("GET", "/api/projects/")["results"] if each["title"] == project]
        tasks: dict[str, dict[str, Any]] = {}
        for number in found:
            reply = self._call("GET", f"/api/tasks?project={number}&page_size=1000&fields=all")
            for task in reply["tasks"]:
                text = task["data"]["text"]
                tasks[text if text not in tasks else f"{text} (again)"] = task
        return tasks

    def label(self, task: dict[str, Any], *pieces: tuple[str, str]) -> None:
        """Submit an annotation with these pieces of the text."""
        text = task["data"]["text"]
        result = [
            {
                "id": f"r{i}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "origin": "manual",
                "value": {
                    "start": text.index(piece),
                    "end": text.index(piece) + len(piece),
                    "text": piece,
                    "labels": [label],
                },
            }
            for i, (piece, label) in enumerate(pieces)
        ]
        self._call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": result, "lead_time": 1.5})

    def skip(self, task: dict[str, Any]) -> None:
        self._call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [], "was_cancelled": True})

    def personal_token(self) -> str:
        """A token of the newer kind."""
        token: str = self._call("POST", "/api/token/", {})["token"]
        return token

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=60) as reply:
            return json.loads(reply.read())
