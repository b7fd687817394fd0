"""Tasks appear in Label Studio and annotations come back; the client retries, and never imports twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts import LabelStudioOracle, PendingAnnotationsError, label_studio_oracle
from spacy_llama_ner.experts.label_studio_oracle import (
    TOKEN_VARIABLE,
    LabelStudioClient,
    LabelStudioError,
    LabelStudioUnavailableError,
)
from tests.experts.expert import Expert
from tests.experts.samples import LABELS, MEETING, NLP, PEOPLE, ents, marked, tags, with_scores
from tests.experts.stand_in import PERSONAL, StandIn

OTHERS = ["Nobody came to the old mill.", "Skip this one, Mara."]
TEXTS = [MEETING, *OTHERS]

# asks as a process of its own, to be killed
ASK = """
import sys
from spacy_llama_ner.experts import LabelStudioOracle
from tests.experts.samples import LABELS, NLP
url, project, *texts = sys.argv[1:]
LabelStudioOracle(url, LABELS, project=project, poll=0.05).ask([NLP.make_doc(text) for text in texts])
"""


def make_oracle(expert: Expert, project: str, **settings: object) -> LabelStudioOracle:
    return LabelStudioOracle(expert.url, LABELS, project=project, **{"poll": 0.05, "timeout": 120.0, **settings})


def make_docs(texts: list[str] = TEXTS) -> list[Doc]:
    return [NLP.make_doc(text) for text in texts]


def wait_for(see: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not see():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def working(expert: Expert, project: str, do: Callable[[dict], None], *, count: int = 3) -> Iterator[None]:
    """An expert who, in a thread, waits until `count` tasks are there, and then does something with them."""

    def work() -> None:
        wait_for(lambda: len(expert.tasks(project)) >= count)
        do(expert.tasks(project))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=180)


def do_all(expert: Expert) -> Callable[[dict], None]:
    def work(tasks: dict) -> None:
        expert.label(tasks[MEETING], *PEOPLE)
        expert.label(tasks[OTHERS[0]])
        expert.skip(tasks[OTHERS[1]])

    return work


def test_tasks_appear_with_suggestions_and_annotations_come_back(expert: Expert) -> None:
    docs = [with_scores(marked(MEETING, PEOPLE[0], ("Rome", "LOC")), [0.91, 0.4]), *make_docs(OTHERS)]
    with working(expert, "round", do_all(expert)):
        answers = make_oracle(expert, "round").ask(docs)
    assert [doc.text for doc in answers] == [doc.text for doc in docs]
    assert ents(answers[0]) == PEOPLE
    assert set(tags(answers[1])) == {"O"}
    assert not any(tags(answers[2]))
    assert ents(docs[0]) == [PEOPLE[0], ("Rome", "LOC")]
    (prediction,) = expert.tasks("round")[MEETING]["predictions"]
    shown = [(each["value"]["text"], each["value"]["labels"], each["score"]) for each in prediction["result"]]
    assert shown == [("Ada Quill", ["PER"], 0.91), ("Rome", ["LOC"], 0.4)]
    assert prediction["score"] == 0.4


def test_texts_with_an_annotation_are_not_imported_again(expert: Expert) -> None:
    with working(expert, "again", do_all(expert)):
        first = make_oracle(expert, "again").ask(make_docs())
    second = make_oracle(expert, "again", timeout=0.0).ask(make_docs())
    assert [tags(doc) for doc in second] == [tags(doc) for doc in first]
    new = "Tilda Moss was not in the first round."
    with working(expert, "again", lambda tasks: expert.label(tasks[new], ("Tilda Moss", "PER")), count=4):
        third = make_oracle(expert, "again").ask(make_docs([new, MEETING]))
    assert [ents(doc) for doc in third] == [[("Tilda Moss", "PER")], PEOPLE]
    assert len(expert.tasks("again")) == 4


def test_a_process_that_is_killed_leaves_nothing_to_be_asked_twice(expert: Expert) -> None:
    command = [sys.executable, "-c", ASK, expert.url, "killed", *TEXTS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(os.environ))
    try:
        wait_for(lambda: process.poll() is not None or len(expert.tasks("killed")) == 3, seconds=300)
        expert.label(expert.tasks("killed")[MEETING], *PEOPLE)
    finally:
        process.kill()
        process.wait(timeout=30)
    assert process.returncode == -9
    with working(expert, "killed", lambda tasks: [expert.label(tasks[text]) for text in OTHERS]):
        answers = make_oracle(expert, "killed").ask(make_docs())
    assert [ents(doc) for doc in answers] == [PEOPLE, [], []]
    assert len(expert.tasks("killed")) == 3


def test_an_annotation_that_does_not_fit_is_named_once_and_waited_for(
    expert: Expert, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    warned = threading.Event()

    def warn(text: str) -> None:
        warnings.append(text)
        warned.set()

    def work(tasks: dict) -> None:
        # half a word
        expert.label(tasks[MEETING], ("da Quill", "PER"))
        assert warned.wait(timeout=120)
        # some more looks at the server
        time.sleep(0.2)
        expert.label(tasks[MEETING], ("Ada Quill", "PER"))

    monkeypatch.setattr(label_studio_oracle.msg, "warn", warn)

    with working(expert, "wrong", work, count=1):
        (answer,) = make_oracle(expert, "wrong").ask(make_docs([MEETING]))
    assert ents(answer) == [("Ada Quill", "PER")]
    (warning,) = warnings
    assert "begins or ends within a word; with whole words it is 'Ada Quill'" in warning


def test_when_the_time_is_over_it_says_what_to_do(expert: Expert) -> None:
    with pytest.raises(
        PendingAnnotationsError,
        match=r"3 of 3 texts have no usable annotation .*/projects/\d+/data, and give",
    ):
        make_oracle(expert, "late", timeout=0.5).ask(make_docs())
    assert len(expert.tasks("late")) == 3


def test_an_expert_may_mark_one_entity_and_leave_the_rest_open(expert: Expert) -> None:
    with working(expert, "partial", lambda tasks: expert.label(tasks[MEETING], ("Rome", "LOC")), count=1):
        (answer,) = make_oracle(expert, "partial", partial=True).ask(make_docs([MEETING]))
    assert [i for i, tag in enumerate(tags(answer)) if tag] == [6]


def test_a_project_with_other_labels_is_not_used(expert: Expert) -> None:
    with pytest.raises(PendingAnnotationsError):
        make_oracle(expert, "labels", timeout=0.0).ask(make_docs([MEETING]))
    other = LabelStudioOracle(expert.url, ["ANIMAL"], project="labels")
    with pytest.raises(LabelStudioError, match=r"has the labels \['LOC', 'PER'\], and the oracle has \['ANIMAL'\]"):
        other.ask(make_docs([MEETING]))


def test_a_personal_access_token_can_be_used(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, expert.personal_token())
    with working(expert, "personal", lambda tasks: expert.label(tasks[MEETING], *PEOPLE), count=1):
        (answer,) = make_oracle(expert, "personal").ask(make_docs([MEETING]))
    assert ents(answer) == PEOPLE


def test_white_space_alone_is_not_imported(stand_in: StandIn) -> None:
    oracle = make_oracle(Expert(stand_in.url, stand_in.token), "blank", timeout=0.0)
    assert oracle.ask([]) == []
    (blank,) = oracle.ask(make_docs([" \n "]))
    assert blank.text == " \n "
    assert stand_in.stored == []


def test_the_same_text_twice_is_one_task_and_two_docs(stand_in: StandIn) -> None:
    expert = Expert(stand_in.url, stand_in.token)
    with working(expert, "twice", lambda tasks: expert.label(tasks[MEETING], *PEOPLE), count=1):
        one, other = make_oracle(expert, "twice").ask(make_docs([MEETING, MEETING]))
    assert ents(one) == ents(other) == PEOPLE
    assert one is not other
    assert len(stand_in.stored) == 1


def test_words_on_which_two_experts_disagree_are_missing(stand_in: StandIn) -> None:
    expert = Expert(stand_in.url, stand_in.token)

    def work(tasks: dict) -> None:
        number = tasks[MEETING]["id"] - 1
        expert.label(tasks[MEETING], ("Ada Quill", "PER"), ("Rome", "LOC"))
        stand_in.stored[number]["annotations"][0]["completed_by"] = 2
        other = [*stand_in.stored[number]["annotations"]]
        stand_in.stored[number]["annotations"] = []
        expert.label(tasks[MEETING], ("Ada Quill", "PER"), ("Rome", "PER"))
        stand_in.stored[number]["annotations"] += other

    oracle = make_oracle(expert, "two", timeout=0.0)
    with pytest.raises(PendingAnnotationsError):
        oracle.ask(make_docs([MEETING]))
    work(expert.tasks("two"))
    (answer,) = oracle.ask(make_docs([MEETING]))
    assert ents(answer) == [("Ada Quill", "PER")]
    assert [i for i, tag in enumerate(tags(answer)) if not tag] == [6]


def test_a_server_that_is_away_for_a_while_is_waited_for(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(label_studio_oracle, "RETRY_WAITS", (0.0,))
    expert = Expert(stand_in.url, stand_in.token)
    oracle = make_oracle(expert, "away", timeout=0.0)
    with pytest.raises(PendingAnnotationsError):
        oracle.ask(make_docs([MEETING]))
    expert.label(expert.tasks("away")[MEETING], *PEOPLE)
    oracle.timeout = 60.0
    look = oracle._collect
    calls: list[int] = []

    def stumble(*args: object) -> dict:
        calls.append(1)
        if len(calls) == 1:
            stand_in.faults = [503] * 2
        return look(*args)

    monkeypatch.setattr(oracle, "_collect", stumble)
    (answer,) = oracle.ask(make_docs([MEETING]))
    assert ents(answer) == PEOPLE
    assert "Until then it is waited for" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed requests are sent again at once, twice."""
    monkeypatch.setattr(label_studio_oracle, "RETRY_WAITS", (0.0, 0.0))


def test_without_a_token_nothing_is_sent(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE)
    with pytest.raises(LabelStudioError, match="no token for .*set the environment variable LABEL_STUDIO_API_KEY"):
        LabelStudioClient(stand_in.url)
    assert stand_in.requests == []


@pytest.mark.parametrize("url", ["", "localhost:8080", "file:///etc/passwd", "http://"])
def test_an_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(LabelStudioError, match="is no address of a server. Give one such as http://localhost:8080"):
        LabelStudioClient(url)


def test_a_refused_token_is_not_retried(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "of-somebody-else")
    with pytest.raises(LabelStudioError, match="refuses the token .status 401.. Copy a valid one") as caught:
        LabelStudioClient(stand_in.url).find_project("any")
    assert len(stand_in.requests) == 1
    assert "of-somebody-else" not in str(caught.value)


def test_a_personal_token_is_exchanged_and_again_when_it_has_run_out(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, PERSONAL)
    server = LabelStudioClient(stand_in.url)
    assert server.find_project("any") is None
    stand_in.expired = True
    server.import_tasks(1, [{"data": {"text": "a", "key": "b"}}])
    assert stand_in.requests.count("POST /api/token/refresh") == 2
    assert len(stand_in.stored) == 1


@pytest.mark.usefixtures("no_waiting")
def test_faults_that_pass_are_retried(stand_in: StandIn) -> None:
    stand_in.faults = [503, 429]
    assert LabelStudioClient(stand_in.url).find_project("any") is None
    assert len(stand_in.requests) == 3


def test_other_faults_are_not_retried(stand_in: StandIn) -> None:
    stand_in.faults = [404]
    with pytest.raises(LabelStudioError, match="GET /api/projects/ at .* failed with status 404.*scripted"):
        LabelStudioClient(stand_in.url).find_project("any")
    assert len(stand_in.requests) == 1


def test_an_import_is_never_sent_again(stand_in: StandIn) -> None:
    stand_in.faults = [503]
    with pytest.raises(LabelStudioUnavailableError):
        LabelStudioClient(stand_in.url).import_tasks(1, [{"data": {}}])
    assert len(stand_in.requests) == 1


def test_a_redirection_is_not_followed(stand_in: StandIn) -> None:
    stand_in.faults = [302]
    with pytest.raises(LabelStudioError, match="redirects to http://elsewhere.example. Give that address"):
        LabelStudioClient(stand_in.url).find_project("any")


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_is_not_there(stand_in: StandIn) -> None:
    server = LabelStudioClient("http://127.0.0.1:9")
    with pytest.raises(LabelStudioUnavailableError, match="Is it running, and the address right.*it goes on"):
        server.find_project("any")


def test_all_pages_are_read(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_studio_oracle, "PAGE_SIZE", 2)
    server = LabelStudioClient(stand_in.url)
    server.import_tasks(7, [{"data": {"text": str(i), "key": str(i)}} for i in range(5)])
    assert [task["data"]["key"] for task in server.tasks(7)] == ["0", "1", "2", "3", "4"]
    assert list(server.tasks(8)) == []
