"""An oracle that asks people in Label Studio: a client of its server, and the oracle that waits for annotations."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from xml.etree import ElementTree

from spacy.tokens import Doc
from wasabi import msg

from ..data.docs import merge_annotations
from ..data.errors import LlamaNERError
from .label_studio import LabelStudioFormat, labelling_interface, task_to_json
from .records import (
    Annotation,
    AnnotationError,
    AnnotationRules,
    PendingAnnotationsError,
    apply_annotation,
    make_tasks,
    task_key,
)

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"
# seconds that one request may take, and the waits before it is sent again
REQUEST_TIMEOUT = 60.0
RETRY_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
PAGE_SIZE = 100
# fields of tasks and, at the same time, of their annotations: all others cost the server most of its time
TASK_FIELDS = "id,data,annotations,result,was_cancelled,completed_by,created_at,updated_at"
# tasks that one request imports
IMPORT_SIZE = 100
# seconds between two looks at a server, which may still be busy with what a killed process has sent
SETTLE_SECONDS = 1.0


class LabelStudioError(LlamaNERError):
    """A Label Studio server that cannot be worked with; the message says what to do.

    It is no OSError, since most of its reasons (no token, a wrong address, a project with other labels) are settings
    to be put right, and what was lost on the way has been sent again already. The error of the network is its cause.
    """


class LabelStudioUnavailableError(LabelStudioError):
    """A server that does not answer at present, and may do so later."""


class _NoRedirect(HTTPRedirectHandler):
    """Does not follow redirections: the token goes to the given address alone."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class LabelStudioClient:
    """A client of one server, see https://api.labelstud.io.

    The token comes from the environment variable `LABEL_STUDIO_API_KEY` and goes nowhere else. Both kinds of token
    are supported: the legacy one, and the personal access token, which is exchanged for one that lasts minutes, as
    often as need be.

    Attributes:
        url: Address of the server, without a slash at the end.
    """

    def __init__(self, url: str) -> None:
        """Read the token; nothing is sent yet.

        Args:
            url: Address of the server.

        Raises:
            LabelStudioError: If there is no token, or `url` is no http address.
        """
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise LabelStudioError(f"{url!r} is no address of a server. Give one such as http://localhost:8080.")
        self.url = url.rstrip("/")
        self._token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not self._token:
            raise LabelStudioError(
                f"There is no token for {self.url}. Copy yours from Account & Settings in Label Studio, and set the "
                f"environment variable {TOKEN_VARIABLE} to it."
            )
        self._access_token: str | None = None
        self._opener = build_opener(_NoRedirect)

    def find_project(self, title: str) -> dict[str, Any] | None:
        """Return the oldest project with this title; None where there is none. Raises LabelStudioError."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            reply = self.call("GET", "/api/projects/", query={"page": page, "page_size": PAGE_SIZE})
            found += [each for each in reply["results"] if each["title"] == title]
            if not reply.get("next"):
                return min(found, key=lambda each: int(each["id"]), default=None)
            page += 1

    def create_project(self, title: str, interface: str) -> dict[str, Any]:
        """Create a project with this labelling interface, and return it. Raises LabelStudioError."""
        body = {"title": title, "label_config": interface, "show_collab_predictions": True}
        project: dict[str, Any] = self.call("POST", "/api/projects/", body=body)
        return project

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield all tasks of a project, with data and annotations. Raises LabelStudioError."""
        page, seen, total = 1, 0, 1
        while seen < total:
            query = {
                "project": project,
                "page": page,
                "page_size": PAGE_SIZE,
                "fields": "all",
                "include": TASK_FIELDS,
            }
            reply = self.call("GET", "/api/tasks", query=query)
            tasks, total = reply["tasks"], reply["total"]
            yield from tasks
            seen, page = seen + len(tasks), page + 1
            if not tasks:
                return

    def import_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
        """Add tasks. This is never sent again by itself: nobody knows whether a lost request arrived.

        Args:
            project: Number of the project.
            tasks: See `task_to_json`.

        Raises:
            LabelStudioError: If it did not succeed.
        """
        self.call("POST", f"/api/projects/{project}/import", body=list(tasks), retry=False)

    def call(
        self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None, retry: bool = True
    ) -> Any:
        """Send a request.

        Args:
            method: Of HTTP.
            path: Of the API, with a slash in front.
            query: Parameters.
            body: To be sent as JSON.
            retry: Whether to send it again, after growing waits, when it failed for reasons that pass: no connection,
                or a status of 429 or 500 and more.

        Returns:
            The JSON of the reply.

        Raises:
            LabelStudioUnavailableError: If it failed for such a reason.
            LabelStudioError: If it failed for another one.
        """
        for wait in (*(RETRY_WAITS if retry else ()), None):
            try:
                return self._request(method, path, query, body)
            except HTTPError as error:
                may_pass = error.code >= 500 or error.code == 429
                if not may_pass or wait is None:
                    kind = LabelStudioUnavailableError if may_pass else LabelStudioError
                    raise kind(self._explain(method, path, error)) from error
            except (URLError, TimeoutError, ConnectionError, ValueError) as error:
                if wait is None:
                    reason = getattr(error, "reason", error)
                    raise LabelStudioUnavailableError(
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
            if error.code != 401 or self._access_token is None:
                raise
            # the short-lived token has expired
            self._access_token = None
            return self._send(method, address, body, self._authorization())

    def _authorization(self) -> str:
        # a personal access token is a JWT, which has three parts
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        if self._access_token is None:
            reply = self._send("POST", f"{self.url}/api/token/refresh", {"refresh": self._token}, None)
            self._access_token = str(reply["access"])
        return f"Bearer {self._access_token}"

    def _send(self, method: str, address: str, body: Any, authorization: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        data = None if body is None else json.dumps(body).encode()
        with self._opener.open(Request(address, data, headers, method=method), timeout=REQUEST_TIMEOUT) as reply:
            return json.loads(reply.read())

    def _explain(self, method: str, path: str, error: HTTPError) -> str:
        message = error.read(2000).decode("utf8", errors="replace")
        if error.code in (401, 403):
            return (
                f"{self.url} refuses the token (status {error.code}). Copy a valid one from Account & Settings, and "
                f"set the environment variable {TOKEN_VARIABLE} to it. {message}"
            )
        if 300 <= error.code < 400:
            return f"{self.url} redirects to {error.headers.get('Location')}. Give that address."
        return f"{method} {path} at {self.url} failed with status {error.code}: {message}"


class LabelStudioOracle:
    """`spacy_llama_ner.LabelStudioOracle.v1`: texts go into a project of Label Studio, and experts label them.

    Everything is kept on the server: a task that is there is never imported again, and an annotation that is there is
    not waited for. A process that was killed, or ran out of time, asks again and goes on where it was.

    Attributes:
        client: Of the server.
        title: Of the project.
        timeout: Seconds to wait for annotations in one call of `ask`.
        poll: Seconds between two looks.
        rules: Which annotations are allowed.
    """

    def __init__(
        self,
        url: str,
        labels: Sequence[str],
        *,
        project: str = "llama-ner",
        timeout: float = 7 * 24 * 3600.0,
        poll: float = 10.0,
        unknown: str | None = None,
        partial: bool = False,
    ) -> None:
        """Set up the oracle; nothing is sent yet.

        Args:
            url: Address of the server. The token is read from the environment, see `LabelStudioClient`.
            labels: Of the entities.
            project: Title of the project. It is created if there is none; an existing one must have the same labels.
            timeout: Seconds to wait for annotations in one call of `ask`.
            poll: Seconds between two looks.
            unknown: A label for what experts cannot tell; null for none.
            partial: Whether words that they leave unmarked are missing instead of outside.

        Raises:
            LabelStudioError: If there is no token, or `url` is no http address.
        """
        self.client = LabelStudioClient(url)
        self.title = project
        self.timeout = timeout
        self.poll = poll
        self.rules = AnnotationRules(labels=list(labels), unknown=unknown, partial=partial)
        self._project: int | None = None

    @property
    def project(self) -> int:
        """Number of the project, which is created when it is first needed. Raises LabelStudioError."""
        if self._project is None:
            found = self.client.find_project(self.title)
            if found is None:
                found = self.client.create_project(self.title, labelling_interface(self.rules.choices))
            labels = _interface_labels(found.get("label_config") or "")
            if labels != set(self.rules.choices):
                raise LabelStudioError(
                    f"The project {self.title!r} at {self.client.url} has the labels {sorted(labels)}, and the "
                    f"oracle has {sorted(self.rules.choices)}. Name another project, or change the labels of one of "
                    "the two."
                )
            self._project = int(found["id"])
        return self._project

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Return docs with the entities that experts marked; blocks until every text has an annotation.

        An annotation that does not fit its text is named, once, and waited for again.

        Args:
            docs: The texts. Their entities, with scores, are shown as suggestions.

        Returns:
            Copies of `docs`. All words are missing in a text that was skipped.

        Raises:
            PendingAnnotationsError: If the time is over.
            LabelStudioError: If the server cannot be worked with.
        """
        by_key = {task_key(doc): doc for doc in docs}
        blank = {key for key, doc in by_key.items() if not doc.text.strip()}
        self._import({key: doc for key, doc in by_key.items() if key not in blank})
        answers = {key: apply_annotation(by_key[key], Annotation(by_key[key].text), self.rules) for key in blank}
        deadline = time.monotonic() + self.timeout
        warned: set[str] = set()
        while True:
            missing = {key: doc for key, doc in by_key.items() if key not in answers}
            try:
                answers |= self._collect(missing, warned)
            except LabelStudioUnavailableError as error:
                _warn_once(f"{error} Until then it is waited for.", warned)
            n_missing = len(by_key) - len(answers)
            if not n_missing:
                return [answers[task_key(doc)].copy() for doc in docs]
            if time.monotonic() >= deadline:
                raise PendingAnnotationsError(
                    f"{n_missing} of {len(by_key)} texts have no usable annotation after {self.timeout:.0f} seconds: "
                    f"label them at {self._project_page}, and give the same command again. Nothing that is labelled "
                    "is lost or asked again."
                )
            time.sleep(min(self.poll, max(0.0, deadline - time.monotonic())))

    @property
    def _project_page(self) -> str:
        return f"{self.client.url}/projects/{self.project}/data"

    def _import(self, by_key: Mapping[str, Doc]) -> None:
        """Import the tasks that are not on the server yet."""
        new_keys = by_key.keys() - self._imported_keys()
        new = (doc for key, doc in by_key.items() if key in new_keys)
        tasks = [task_to_json(task) for task in make_tasks(new, self.rules.choices)]
        for start in range(0, len(tasks), IMPORT_SIZE):
            self.client.import_tasks(self.project, tasks[start : start + IMPORT_SIZE])
        if tasks:
            msg.info(f"{len(tasks)} texts are waiting at {self._project_page}")

    def _imported_keys(self) -> set[str]:
        """Return the keys of the tasks on the server, once two looks see the same."""
        before = None
        while (keys := {str(task["data"].get("key")) for task in self.client.tasks(self.project)}) != before:
            before = keys
            time.sleep(SETTLE_SECONDS)
        return keys

    def _collect(self, by_key: Mapping[str, Doc], warned: set[str]) -> dict[str, Doc]:
        """Return those docs that are annotated. Warns of annotations that do not fit, unless it is in `warned`."""
        found: dict[str, Doc] = {}
        for task in self.client.tasks(self.project) if by_key else ():
            key = str(task["data"].get("key"))
            if key in by_key and key not in found:
                try:
                    annotations = _latest(LabelStudioFormat().read(task))
                    if annotations:
                        found[key] = merge_annotations(
                            [apply_annotation(by_key[key], each, self.rules) for each in annotations]
                        )
                except AnnotationError as error:
                    _warn_once(f"Task {task['id']}: {error} It is waited for until this is put right.", warned)
        return found


def _latest(annotations: Iterable[Annotation | AnnotationError]) -> list[Annotation]:
    """Return the last annotation of each expert; a skipped one where there is no other, or none at all."""
    done: dict[str | None, Annotation] = {}
    skipped: list[Annotation] = []
    for each in annotations:
        if isinstance(each, AnnotationError):
            raise each
        if each.status == "skipped":
            skipped = [each]
        elif each.status == "done":
            earlier = done.get(each.annotator)
            if earlier is None or each.timestamp >= earlier.timestamp:
                done[each.annotator] = each
    return list(done.values()) or skipped


def _warn_once(text: str, warned: set[str]) -> None:
    if text not in warned:
        msg.warn(text)
        warned.add(text)


def _interface_labels(config: str) -> set[str]:
    """Return the labels of a labelling interface; none where it is no XML."""
    try:
        root: Any = ElementTree.fromstring(config)
    except ElementTree.ParseError:
        return set()
    return {str(element.get("value")) for element in root.iter("Label")}
