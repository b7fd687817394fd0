"""An oracle that asks people, in Label Studio."""

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

from ..data.docs import agreed
from .collect import Rules, apply_answer
from .label_studio import LabelStudio, interface, to_json
from .records import Answer, AnswerError, make_tasks, task_key

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"
# seconds that one request may take, and the waits before it is tried again
PATIENCE = 60.0
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
PAGE = 100
# Fields of tasks and, at the same time, of their annotations: all others cost the server most of its time.
WANTED = "id,data,annotations,result,was_cancelled,completed_by,created_at,updated_at"


class LabelStudioError(OSError):
    """A Label Studio server that cannot be worked with; the message says what to do."""


class LabelStudioSilentError(LabelStudioError):
    """A server that does not answer now."""


class _NoRedirect(HTTPRedirectHandler):
    """Where a server sends us is none of the token's business."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class LabelStudioClient:
    """A server at `url`. The token comes from the environment variable `LABEL_STUDIO_API_KEY` and goes nowhere else.

    Both kinds of token are taken: the legacy one, and the personal access token, which is exchanged for one that
    lasts minutes, as often as need be. Raises LabelStudioError without a token, or where `url` is no http address.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise LabelStudioError(f"{url!r} is no address of a server. Give one such as http://localhost:8080.")
        self.url = url.rstrip("/")
        self._token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not self._token:
            raise LabelStudioError(
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
        """The JSON reply to one request. Raises LabelStudioError.

        again: try again, with growing waits, what failed for reasons that pass: no connection, or a status of 429 or
            500 and more.
        """
        for wait in (*(WAITS if again else ()), None):
            try:
                return self._request(method, path, query, body)
            except HTTPError as error:
                passes = error.code >= 500 or error.code == 429
                if not passes or wait is None:
                    kind = LabelStudioSilentError if passes else LabelStudioError
                    raise kind(self._explain(method, path, error)) from error
            except (URLError, TimeoutError, ConnectionError, ValueError) as error:
                if wait is None:
                    reason = getattr(error, "reason", error)
                    raise LabelStudioSilentError(
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


BATCH = 100
# seconds between two looks at a server, of which one may still be busy with what a killed process sent
SETTLE = 1.0


class LabelStudioOracleError(LabelStudioError):
    """Questions that are not answered; the message says how to go on."""


class LabelStudioOracle:
    """`spacy_llama_ner.LabelStudioOracle.v1`: texts go into a project of Label Studio, and experts label them.

    url: of the server. The token is read from the environment (`studio.Studio`).
    labels: of the entities.
    project: its title. It is made where there is none; one that is there has to have the same labels.
    timeout: seconds to wait for answers to one call of `ask`.
    poll: seconds between two looks.
    unknown: a label for what experts cannot tell; null for none. partial: whether words that they leave unmarked are
        open instead of outside (see `check.Rules`).

    Everything is kept on the server: a task that is there is never posted again, and an answer that is there is not
    waited for. A process that was killed, or ran out of time, asks again and goes on where it was.
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
        self.studio = LabelStudioClient(url)
        self.title = project
        self.timeout = timeout
        self.poll = poll
        self.rules = Rules(labels=list(labels), unknown=unknown, partial=partial)
        self._project: int | None = None

    @property
    def project(self) -> int:
        """Number of the project, which is made when it is first asked for. Raises LabelStudioError."""
        if self._project is None:
            found = self.studio.find_project(self.title)
            if found is None:
                found = self.studio.make_project(self.title, interface(self.rules.shown))
            there = _labels(found.get("label_config") or "")
            if there != set(self.rules.shown):
                raise LabelStudioError(
                    f"The project {self.title!r} at {self.studio.url} has the labels {sorted(there)}, and the oracle "
                    f"has {sorted(self.rules.shown)}. Name another project, or change the labels of one of the two."
                )
            self._project = int(found["id"])
        return self._project

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Copies of `docs` with the entities that experts marked; blocks until every text has an answer.

        The entities of `docs`, and their scores, are shown as suggestions. Of a text that was skipped all words are
        missing. An answer that does not fit its text is named, once, and waited for again.

        Raises: OracleError when the time is over, LabelStudioError where the server cannot be worked with.
        """
        questions = {task_key(doc): doc for doc in docs}
        blank = {key for key, doc in questions.items() if not doc.text.strip()}
        self._post({key: doc for key, doc in questions.items() if key not in blank})
        answers = {key: apply_answer(questions[key], Answer(questions[key].text), self.rules) for key in blank}
        deadline = time.monotonic() + self.timeout
        told: set[str] = set()
        while True:
            missing = {key: doc for key, doc in questions.items() if key not in answers}
            try:
                answers |= self._answers(missing, told)
            except LabelStudioSilentError as error:
                _tell(f"{error} Until then it is waited for.", told)
            waiting = len(questions) - len(answers)
            if not waiting:
                return [answers[task_key(doc)].copy() for doc in docs]
            if time.monotonic() >= deadline:
                raise LabelStudioOracleError(
                    f"{waiting} of {len(questions)} texts have no usable answer after {self.timeout:.0f} seconds: "
                    f"label them at {self._page}, and give the same command again. Nothing that is labelled is lost "
                    "or asked again."
                )
            time.sleep(min(self.poll, max(0.0, deadline - time.monotonic())))

    @property
    def _page(self) -> str:
        return f"{self.studio.url}/projects/{self.project}/data"

    def _post(self, questions: Mapping[str, Doc]) -> None:
        """Put those tasks on the server that are not there."""
        open_keys = questions.keys() - self._settled()
        new = (doc for key, doc in questions.items() if key in open_keys)
        tasks = [to_json(task) for task in make_tasks(new, self.rules.shown)]
        for start in range(0, len(tasks), BATCH):
            self.studio.import_tasks(self.project, tasks[start : start + BATCH])
        if tasks:
            msg.info(f"{len(tasks)} texts are waiting at {self._page}")

    def _settled(self) -> set[str]:
        """Keys of the tasks on the server, once two looks see the same."""
        before = None
        while (keys := {str(task["data"].get("key")) for task in self.studio.tasks(self.project)}) != before:
            before = keys
            time.sleep(SETTLE)
        return keys

    def _answers(self, questions: Mapping[str, Doc], told: set[str]) -> dict[str, Doc]:
        """Docs of those questions that are answered. What does not fit is told, unless it is among `told`."""
        found: dict[str, Doc] = {}
        for task in self.studio.tasks(self.project) if questions else ():
            key = str(task["data"].get("key"))
            if key in questions and key not in found:
                try:
                    answers = _final(LabelStudio().read(task))
                    if answers:
                        found[key] = agreed([apply_answer(questions[key], each, self.rules) for each in answers])
                except AnswerError as error:
                    _tell(f"Task {task['id']}: {error} It is waited for until this is put right.", told)
        return found


def _final(answers: Iterable[Answer | AnswerError]) -> list[Answer]:
    """The last answer of each expert; a skipped one where nobody gave another, and none where there is none yet."""
    done: dict[str | None, Answer] = {}
    skipped: list[Answer] = []
    for each in answers:
        if isinstance(each, AnswerError):
            raise each
        if each.verdict == "skipped":
            skipped = [each]
        elif each.verdict == "done" and (each.annotator not in done or each.when >= done[each.annotator].when):
            done[each.annotator] = each
    return list(done.values()) or skipped


def _tell(text: str, told: set[str]) -> None:
    if text not in told:
        msg.warn(text)
        told.add(text)


def _labels(config: str) -> set[str]:
    """The labels of a labelling interface; none where it is no XML."""
    try:
        root: Any = ElementTree.fromstring(config)
    except ElementTree.ParseError:
        return set()
    return {str(element.get("value")) for element in root.iter("Label")}
