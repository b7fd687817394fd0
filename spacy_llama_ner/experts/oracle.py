"""An oracle that asks people, in Label Studio."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from spacy.tokens import Doc
from wasabi import msg

from ..data.partial import agreed
from .answer import Answer, AnswerError
from .check import Rules, apply_answer
from .label_studio import LabelStudio, interface, to_json
from .studio import Studio, StudioError, StudioSilentError
from .task import make_tasks, task_key

BATCH = 100
# seconds between two looks at a server, of which one may still be busy with what a killed process sent
SETTLE = 1.0


class OracleError(StudioError):
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
        self.studio = Studio(url)
        self.title = project
        self.timeout = timeout
        self.poll = poll
        self.rules = Rules(labels=list(labels), unknown=unknown, partial=partial)
        self._project: int | None = None

    @property
    def project(self) -> int:
        """Number of the project, which is made when it is first asked for. Raises StudioError."""
        if self._project is None:
            found = self.studio.find_project(self.title)
            if found is None:
                found = self.studio.make_project(self.title, interface(self.rules.shown))
            there = _labels(found.get("label_config") or "")
            if there != set(self.rules.shown):
                raise StudioError(
                    f"The project {self.title!r} at {self.studio.url} has the labels {sorted(there)}, and the oracle "
                    f"has {sorted(self.rules.shown)}. Name another project, or change the labels of one of the two."
                )
            self._project = int(found["id"])
        return self._project

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Copies of `docs` with the entities that experts marked; blocks until every text has an answer.

        The entities of `docs`, and their scores, are shown as suggestions. Of a text that was skipped all words are
        missing. An answer that does not fit its text is named, once, and waited for again.

        Raises: OracleError when the time is over, StudioError where the server cannot be worked with.
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
            except StudioSilentError as error:
                _tell(f"{error} Until then it is waited for.", told)
            waiting = len(questions) - len(answers)
            if not waiting:
                return [answers[task_key(doc)].copy() for doc in docs]
            if time.monotonic() >= deadline:
                raise OracleError(
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
