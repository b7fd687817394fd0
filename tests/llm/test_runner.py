"""What a run shows and counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacy_llama_ner.llm.backends.base import NoAnswer, Question, Refused, Reject, Reply, TryAgain
from spacy_llama_ner.llm.reply_log import ReplyLog
from spacy_llama_ner.llm.runner import AGAIN, CircuitBreaker, Progress, PromptJob, RetryPolicy, Runner
from tests.llm.scripted import QUICK, ScriptedBackend, ask_for, job

REPLY = Reply("x", input_tokens=1000, output_tokens=50, seconds=0.1)


class Cents:
    """One for a thousand tokens in, two for a hundred out."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return input_tokens / 1000 + output_tokens / 50


def test_the_bar_has_rate_tokens_and_cost_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=2, unit="texts", prices=Cents())
    assert capsys.readouterr().err == "", "nothing is shown before it starts"
    progress.start()
    for logged, failed in ((False, False), (True, True)):
        progress.got(REPLY, logged=logged)
        progress.settled(failed=failed)
    progress.say("a word in between")
    progress.close()
    shown = capsys.readouterr().err
    assert "texts/s" in shown and "2/2" in shown
    assert "2,000+100 tokens, cost 4.00, 1 failed" in shown
    assert "a word in between" in shown


def test_without_a_unit_it_counts_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start()
    progress.expect(3)
    progress.got(REPLY, logged=False)
    progress.rejected(Reject("no JSON", "abc"))
    progress.rejected(Reject("no JSON", "def"))
    progress.troubled("HTTP 500")
    progress.settled(failed=True)
    progress.close()
    assert capsys.readouterr() == ("", "")
    tally = progress.tally
    assert (tally.asked, tally.logged, tally.settled, tally.failed) == (1, 0, 1, 1)
    assert (dict(tally.rejected), dict(tally.trouble)) == ({"no JSON": 2}, {"HTTP 500": 1})
    assert progress.cost is None


def test_what_is_to_come_can_grow(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=0, unit="questions")
    progress.start()
    progress.expect(2)
    progress.expect(3)
    progress.settled(failed=False)
    progress.close()
    assert "1/5" in capsys.readouterr().err


@contextmanager
def open_run(
    path: Path, backend: ScriptedBackend, *, concurrency: int = 4, patience: RetryPolicy = QUICK
) -> Iterator[Runner]:
    with ReplyLog(path / "log") as log, Runner(backend, log, concurrency=concurrency, patience=patience) as run:
        yield run


def words(text: str, *, least: int) -> PromptJob[list[str]]:
    """A job that wants so many words."""

    def read(reply: Reply) -> list[str]:
        if len(reply.text.split()) < least:
            raise Reject("too few words", reply.text)
        return reply.text.split()

    return PromptJob(ask_for(text), read)


def test_outcomes_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(300)]
    backend = ScriptedBackend(script={"text 3": [TryAgain("busy")] * 3}, seconds=0.0001)
    with open_run(tmp_path, backend) as run:
        values = [outcome.value for outcome in run.answers(map(job, texts))]
    assert values == [text.upper() for text in texts]
    assert backend.is_closed


def test_only_so_many_requests_are_under_way(tmp_path: Path) -> None:
    backend = ScriptedBackend(seconds=0.005)
    with open_run(tmp_path, backend, concurrency=3) as run:
        assert len(list(run.answers(job(str(i)) for i in range(20)))) == 20
    assert backend.most_at_once == 3


def test_jobs_are_taken_up_as_they_are_needed(tmp_path: Path) -> None:
    taken = 0

    def jobs() -> Iterator[PromptJob[str]]:
        nonlocal taken
        for i in range(10_000):
            taken += 1
            yield job(str(i))

    with open_run(tmp_path, ScriptedBackend(), concurrency=1) as run:
        answers = run.answers(jobs())
        next(answers)
        assert taken < 100
        answers.close()


def test_the_same_question_is_asked_once(tmp_path: Path) -> None:
    backend = ScriptedBackend(seconds=0.001)
    with open_run(tmp_path, backend) as run:
        # at the same time, later, and in a second round
        assert [o.value for o in run.answers(map(job, "aabcabb"))] == list("AABCABB")
        assert [o.value for o in run.answers(map(job, "cab"))] == list("CAB")
        assert run.progress.tally.input_tokens == 30
    assert sorted(backend.texts) == ["a", "b", "c"]
    again = ScriptedBackend()
    with open_run(tmp_path, again) as run:
        assert [o.value for o in run.answers(map(job, "abcd"))] == list("ABCD")
        tally = run.progress.tally
    assert again.texts == ["d"]
    assert (tally.asked, tally.logged, tally.input_tokens, tally.settled) == (1, 3, 40, 4)


def test_another_model_is_asked_anew(tmp_path: Path) -> None:
    for model in ("small", "large"):
        backend = ScriptedBackend(model=model)
        with open_run(tmp_path, backend) as run:
            list(run.answers([job("a")]))
        assert backend.texts == ["a"]


def test_requests_without_a_reply_are_made_again(tmp_path: Path) -> None:
    trouble = [TryAgain("HTTP 500", "sorry"), TryAgain("time-out")]
    backend = ScriptedBackend(script={"a": trouble})
    with open_run(tmp_path, backend) as run:
        (outcome,) = run.answers([job("a")])
        assert outcome.value == "A"
        assert dict(run.progress.tally.trouble) == {"HTTP 500": 1, "time-out": 1}
    assert backend.texts == ["a"] * 3


def test_after_the_last_retry_the_question_has_failed(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [TryAgain("HTTP 500", "sorry")] * 9})
    with open_run(tmp_path, backend, patience=RetryPolicy(retries=2, first=0.001)) as run:
        bad, good = run.answers([job("a"), job("b")])
        assert (bad.value, bad.failure) == (None, "HTTP 500: sorry (3 requests)")
        assert good.value == "B"
        assert run.progress.tally.failed == 1


def test_a_failed_question_is_asked_in_the_next_run(tmp_path: Path) -> None:
    for turns, expected in (([TryAgain("down")], None), ([], "A")):
        backend = ScriptedBackend(script={"a": turns})
        with open_run(tmp_path, backend, patience=RetryPolicy(retries=0)) as run:
            (outcome,) = run.answers([job("a")])
        assert outcome.value == expected


def test_replies_that_cannot_be_used_are_kept_and_another_is_asked_for(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": ["", "one", "now two"]})
    with open_run(tmp_path, backend) as run:
        (outcome,) = run.answers([words("a", least=2)])
        assert outcome.value == ["now", "two"]
        assert [reply.text for reply in outcome.replies] == ["", "one", "now two"]
        assert [str(reject) for reject in outcome.rejects] == ["empty reply", "too few words: one"]
        assert dict(run.progress.tally.rejected) == {"empty reply": 1, "too few words": 1}
    # at temperature 0 the same reply would come again
    assert [question.temperature for question in backend.questions] == [0.0, AGAIN, AGAIN]
    assert [question.attempt for question in backend.questions] == [0, 1, 2]
    again = ScriptedBackend()
    with open_run(tmp_path, again) as run:
        (known,) = run.answers([words("a", least=2)])
    assert (known.value, known.replies) == (outcome.value, outcome.replies)
    assert again.texts == []


def test_after_the_last_attempt_the_question_has_failed_until_more_are_allowed(tmp_path: Path) -> None:
    def ask(attempts: int, *turns: str) -> tuple[list[str] | None, str | None, int]:
        backend = ScriptedBackend(script={"a": turns})
        with open_run(tmp_path, backend, patience=RetryPolicy(attempts=attempts)) as run:
            (outcome,) = run.answers([words("a", least=2)])
        return outcome.value, outcome.failure, len(backend.texts)

    assert ask(2, "one", "eins") == (None, "too few words: eins", 2)
    assert ask(2) == (None, "too few words: eins", 0)
    assert ask(3, "one two") == (["one", "two"], None, 1)
    assert ask(1) == (["one", "two"], None, 0)


def test_a_question_without_hope_is_not_asked_again(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"long": [NoAnswer("HTTP 400: too long")]})
    with open_run(tmp_path, backend) as run:
        bad, good = run.answers([job("long"), job("short")])
    assert (bad.failure, good.value) == ("HTTP 400: too long", "SHORT")
    assert sorted(backend.texts) == ["long", "short"]


def test_a_refusal_ends_the_run_but_loses_no_reply_under_way(tmp_path: Path) -> None:
    class Slow(ScriptedBackend):
        async def ask(self, question: Question) -> Reply:
            if question.text == "bad":
                raise Refused("no credit left")
            return await super().ask(question)

    backend = Slow(seconds=0.05)
    jobs = [job("a"), job("b"), job("bad"), *(job(str(i)) for i in range(50))]
    with open_run(tmp_path, backend) as run, pytest.raises(Refused, match="no credit left"):
        list(run.answers(jobs))
    assert len(backend.texts) < 10
    asked = set(backend.texts)
    again = ScriptedBackend()
    with open_run(tmp_path, again) as run:
        list(run.answers(map(job, asked)))
    assert again.texts == []


def test_it_gives_up_when_nothing_is_answered_any_more(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={str(i): [TryAgain("down")] for i in range(5, 500)})
    with open_run(tmp_path, backend, patience=RetryPolicy(retries=0)) as run, pytest.raises(Refused, match="down"):
        list(run.answers(job(str(i)) for i in range(500)))
    assert len(backend.texts) < 50


def test_questions_without_hope_here_and_there_do_not_end_it(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={str(i): [NoAnswer("too long")] for i in range(0, 100, 2)})
    with open_run(tmp_path, backend, concurrency=1) as run:
        assert sum(outcome.value is not None for outcome in run.answers(job(str(i)) for i in range(100))) == 50


@pytest.mark.parametrize("trouble", [NoAnswer("too long"), TryAgain("HTTP 500")])
def test_questions_without_hope_do_not_end_a_run_that_is_given_again(tmp_path: Path, trouble: Exception) -> None:
    jobs = [job(str(i)) for i in range(1000)]
    script = {str(i): [trouble] * 10 for i in range(0, 1000, 25)}
    for _ in range(2):
        with open_run(tmp_path, ScriptedBackend(script=script)) as run:
            assert sum(outcome.value is None for outcome in run.answers(jobs)) == 40


def test_many_questions_without_hope_in_a_row_do_not_end_a_run_that_works(tmp_path: Path) -> None:
    script = {str(i): [NoAnswer("too long")] for i in range(1, 100)}
    with open_run(tmp_path, ScriptedBackend(script=script)) as run:
        next(run.answers([job("0")]))
        assert sum(outcome.value is not None for outcome in run.answers(job(str(i)) for i in range(102))) == 3


def test_waits_double_and_are_the_same_for_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(seed: int) -> list[float]:
        waited: list[float] = []

        async def note(self: Runner, seconds: float) -> None:
            waited.extend([seconds] * (seconds > 0))

        monkeypatch.setattr(Runner, "_pause", note)
        backend = ScriptedBackend(script={f"a{seed}": [TryAgain("busy")] * 5})
        with open_run(tmp_path, backend, patience=RetryPolicy(retries=5, first=1, longest=8, seed=seed)) as run:
            list(run.answers([job(f"a{seed}")]))
        return waited

    first = waits(1)
    assert all(most / 2 <= wait <= most for wait, most in zip(first, [1, 2, 4, 8, 8], strict=True))
    (tmp_path / "log").unlink()
    assert waits(1) == first
    assert waits(2) != first


def test_when_the_server_asks_for_a_pause_all_questions_wait(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [TryAgain("HTTP 429", after=0.3)]})
    with open_run(tmp_path, backend, concurrency=1) as run:
        start = time.monotonic()
        list(run.answers([job("a"), job("b")]))
        assert 0.25 < time.monotonic() - start < 3


def test_ctrl_c_waits_for_what_is_paid_for(tmp_path: Path) -> None:
    class Interrupted(ScriptedBackend):
        async def ask(self, question: Question) -> Reply:
            if question.text == "b":
                asyncio.get_running_loop().call_soon(self.interrupt)
            return await super().ask(question)

        def interrupt(self) -> None:
            raise KeyboardInterrupt

    backend = Interrupted(seconds=0.02)
    with open_run(tmp_path, backend, concurrency=2) as run, pytest.raises(KeyboardInterrupt):
        list(run.answers(map(job, "abcdefgh")))
    assert sorted(backend.texts) == ["a", "b"]
    again = ScriptedBackend()
    with open_run(tmp_path, again) as run:
        list(run.answers(map(job, "ab")))
    assert again.texts == []


def test_an_error_in_reading_is_not_taken_for_a_bad_reply(tmp_path: Path) -> None:
    def broken(reply: Reply) -> str:
        raise ZeroDivisionError("a mistake in the code")

    with open_run(tmp_path, ScriptedBackend()) as run, pytest.raises(ZeroDivisionError):
        list(run.answers([PromptJob(ask_for("a"), broken), job("b")]))


def test_so_many_in_a_row_are_too_many() -> None:
    silence = CircuitBreaker(3)
    assert [silence.goes_on(by_question=by_question) for by_question in (True, False, True)] == [False, False, True]


def test_an_answer_begins_anew() -> None:
    silence = CircuitBreaker(2)
    silence.goes_on(by_question=False)
    silence.broken()
    assert not silence.goes_on(by_question=False)
    assert len(silence) == 1


def test_where_others_are_answered_a_question_at_fault_does_not_count() -> None:
    silence = CircuitBreaker(1)
    silence.broken()
    assert not silence.goes_on(by_question=True)
    assert silence.goes_on(by_question=False)
