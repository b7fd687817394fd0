"""Requests are sent concurrently and retried; what the log has a reply to is never sent again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacy_llama_ner.llm.backends.base import (
    BackendRefusedError,
    ChatRequest,
    NoReplyError,
    RejectedReplyError,
    Reply,
    RetryableError,
)
from spacy_llama_ner.llm.reply_log import ReplyLog
from spacy_llama_ner.llm.runner import RETRY_TEMPERATURE, CircuitBreaker, Progress, PromptJob, RetryPolicy, Runner
from tests.llm.scripted import NO_WAITING, ScriptedBackend, job, request_for

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
        progress.add_reply(REPLY, logged=logged)
        progress.finish(failed=failed)
    progress.write("a word in between")
    progress.close()
    shown = capsys.readouterr().err
    assert "texts/s" in shown and "2/2" in shown
    assert "2,000+100 tokens, cost 4.00, 1 failed" in shown
    assert "a word in between" in shown


def test_without_a_unit_it_counts_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start()
    progress.add_total(3)
    progress.add_reply(REPLY, logged=False)
    progress.add_rejection(RejectedReplyError("no JSON", "abc"))
    progress.add_rejection(RejectedReplyError("no JSON", "def"))
    progress.add_request_error("HTTP 500")
    progress.finish(failed=True)
    progress.close()
    assert capsys.readouterr() == ("", "")
    stats = progress.stats
    assert (stats.new_replies, stats.logged_replies, stats.finished, stats.failed) == (1, 0, 1, 1)
    assert (dict(stats.rejections), dict(stats.request_errors)) == ({"no JSON": 2}, {"HTTP 500": 1})
    assert progress.cost is None


def test_the_total_of_the_bar_can_grow(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=0, unit="questions")
    progress.start()
    progress.add_total(2)
    progress.add_total(3)
    progress.finish(failed=False)
    progress.close()
    assert "1/5" in capsys.readouterr().err


@contextmanager
def open_runner(
    path: Path, backend: ScriptedBackend, *, concurrency: int = 4, retry_policy: RetryPolicy = NO_WAITING
) -> Iterator[Runner]:
    with (
        ReplyLog(path / "log") as log,
        Runner(backend, log, concurrency=concurrency, retry_policy=retry_policy) as runner,
    ):
        yield runner


def words(text: str, *, least: int) -> PromptJob[list[str]]:
    """A job that wants so many words."""

    def read(reply: Reply) -> list[str]:
        if len(reply.text.split()) < least:
            raise RejectedReplyError("too few words", reply.text)
        return reply.text.split()

    return PromptJob(request_for(text), read)


def test_outcomes_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(300)]
    backend = ScriptedBackend(script={"text 3": [RetryableError("busy")] * 3}, seconds=0.0001)
    with open_runner(tmp_path, backend) as runner:
        values = [outcome.value for outcome in runner.run(map(job, texts))]
    assert values == [text.upper() for text in texts]
    assert backend.is_closed


def test_only_so_many_requests_are_under_way(tmp_path: Path) -> None:
    backend = ScriptedBackend(seconds=0.005)
    with open_runner(tmp_path, backend, concurrency=3) as runner:
        assert len(list(runner.run(job(str(i)) for i in range(20)))) == 20
    assert backend.max_concurrent == 3


def test_jobs_are_taken_up_as_they_are_needed(tmp_path: Path) -> None:
    taken = 0

    def jobs() -> Iterator[PromptJob[str]]:
        nonlocal taken
        for i in range(10_000):
            taken += 1
            yield job(str(i))

    with open_runner(tmp_path, ScriptedBackend(), concurrency=1) as runner:
        answers = runner.run(jobs())
        next(answers)
        assert taken < 100
        answers.close()


def test_the_same_request_is_sent_once(tmp_path: Path) -> None:
    backend = ScriptedBackend(seconds=0.001)
    with open_runner(tmp_path, backend) as runner:
        # at the same time, later, and in a second round
        assert [o.value for o in runner.run(map(job, "aabcabb"))] == list("AABCABB")
        assert [o.value for o in runner.run(map(job, "cab"))] == list("CAB")
        assert runner.progress.stats.input_tokens == 30
    assert sorted(backend.texts) == ["a", "b", "c"]
    again = ScriptedBackend()
    with open_runner(tmp_path, again) as runner:
        assert [o.value for o in runner.run(map(job, "abcd"))] == list("ABCD")
        stats = runner.progress.stats
    assert again.texts == ["d"]
    assert (stats.new_replies, stats.logged_replies, stats.input_tokens, stats.finished) == (1, 3, 40, 4)


def test_another_model_gets_the_request_again(tmp_path: Path) -> None:
    for model in ("small", "large"):
        backend = ScriptedBackend(model=model)
        with open_runner(tmp_path, backend) as runner:
            list(runner.run([job("a")]))
        assert backend.texts == ["a"]


def test_requests_without_a_reply_are_sent_again(tmp_path: Path) -> None:
    trouble = [RetryableError("HTTP 500", "sorry"), RetryableError("time-out")]
    backend = ScriptedBackend(script={"a": trouble})
    with open_runner(tmp_path, backend) as runner:
        (outcome,) = runner.run([job("a")])
        assert outcome.value == "A"
        assert dict(runner.progress.stats.request_errors) == {"HTTP 500": 1, "time-out": 1}
    assert backend.texts == ["a"] * 3


def test_after_the_last_retry_the_job_has_failed(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [RetryableError("HTTP 500", "sorry")] * 9})
    with open_runner(tmp_path, backend, retry_policy=RetryPolicy(max_retries=2, initial_wait=0.001)) as runner:
        bad, good = runner.run([job("a"), job("b")])
        assert (bad.value, bad.failure) == (None, "HTTP 500: sorry (3 requests)")
        assert good.value == "B"
        assert runner.progress.stats.failed == 1


def test_a_failed_request_is_sent_in_the_next_run(tmp_path: Path) -> None:
    for turns, expected in (([RetryableError("down")], None), ([], "A")):
        backend = ScriptedBackend(script={"a": turns})
        with open_runner(tmp_path, backend, retry_policy=RetryPolicy(max_retries=0)) as runner:
            (outcome,) = runner.run([job("a")])
        assert outcome.value == expected


def test_replies_that_cannot_be_used_are_kept_and_another_is_asked_for(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": ["", "one", "now two"]})
    with open_runner(tmp_path, backend) as runner:
        (outcome,) = runner.run([words("a", least=2)])
        assert outcome.value == ["now", "two"]
        assert [reply.text for reply in outcome.replies] == ["", "one", "now two"]
        assert [str(error) for error in outcome.rejections] == ["empty reply", "too few words: one"]
        assert dict(runner.progress.stats.rejections) == {"empty reply": 1, "too few words": 1}
    # at temperature 0 the same reply would come again
    assert [request.temperature for request in backend.requests] == [0.0, RETRY_TEMPERATURE, RETRY_TEMPERATURE]
    assert [request.attempt for request in backend.requests] == [0, 1, 2]
    again = ScriptedBackend()
    with open_runner(tmp_path, again) as runner:
        (known,) = runner.run([words("a", least=2)])
    assert (known.value, known.replies) == (outcome.value, outcome.replies)
    assert again.texts == []


def test_after_the_last_attempt_the_job_has_failed_until_more_are_allowed(tmp_path: Path) -> None:
    def ask(attempts: int, *turns: str) -> tuple[list[str] | None, str | None, int]:
        backend = ScriptedBackend(script={"a": turns})
        with open_runner(tmp_path, backend, retry_policy=RetryPolicy(max_attempts=attempts)) as runner:
            (outcome,) = runner.run([words("a", least=2)])
        return outcome.value, outcome.failure, len(backend.texts)

    assert ask(2, "one", "eins") == (None, "too few words: eins", 2)
    assert ask(2) == (None, "too few words: eins", 0)
    assert ask(3, "one two") == (["one", "two"], None, 1)
    assert ask(1) == (["one", "two"], None, 0)


def test_a_request_that_can_get_no_reply_is_sent_once(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"long": [NoReplyError("HTTP 400: too long")]})
    with open_runner(tmp_path, backend) as runner:
        bad, good = runner.run([job("long"), job("short")])
    assert (bad.failure, good.value) == ("HTTP 400: too long", "SHORT")
    assert sorted(backend.texts) == ["long", "short"]


def test_a_refusal_ends_the_run_but_loses_no_reply_under_way(tmp_path: Path) -> None:
    class Slow(ScriptedBackend):
        async def complete(self, request: ChatRequest) -> Reply:
            if request.text == "bad":
                raise BackendRefusedError("no credit left")
            return await super().complete(request)

    backend = Slow(seconds=0.05)
    jobs = [job("a"), job("b"), job("bad"), *(job(str(i)) for i in range(50))]
    with open_runner(tmp_path, backend) as runner, pytest.raises(BackendRefusedError, match="no credit left"):
        list(runner.run(jobs))
    assert len(backend.texts) < 10
    asked = set(backend.texts)
    again = ScriptedBackend()
    with open_runner(tmp_path, again) as runner:
        list(runner.run(map(job, asked)))
    assert again.texts == []


def test_the_run_ends_when_nothing_is_answered_any_more(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={str(i): [RetryableError("down")] for i in range(5, 500)})
    with (
        open_runner(tmp_path, backend, retry_policy=RetryPolicy(max_retries=0)) as runner,
        pytest.raises(BackendRefusedError, match="down"),
    ):
        list(runner.run(job(str(i)) for i in range(500)))
    assert len(backend.texts) < 50


def test_single_requests_without_a_reply_do_not_end_the_run(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={str(i): [NoReplyError("too long")] for i in range(0, 100, 2)})
    with open_runner(tmp_path, backend, concurrency=1) as runner:
        assert sum(outcome.value is not None for outcome in runner.run(job(str(i)) for i in range(100))) == 50


@pytest.mark.parametrize("trouble", [NoReplyError("too long"), RetryableError("HTTP 500")])
def test_requests_without_a_reply_do_not_end_a_run_that_is_resumed(tmp_path: Path, trouble: Exception) -> None:
    jobs = [job(str(i)) for i in range(1000)]
    script = {str(i): [trouble] * 10 for i in range(0, 1000, 25)}
    for _ in range(2):
        with open_runner(tmp_path, ScriptedBackend(script=script)) as runner:
            assert sum(outcome.value is None for outcome in runner.run(jobs)) == 40


def test_many_faulty_requests_in_a_row_do_not_end_a_run_that_works(tmp_path: Path) -> None:
    script = {str(i): [NoReplyError("too long")] for i in range(1, 100)}
    with open_runner(tmp_path, ScriptedBackend(script=script)) as runner:
        next(runner.run([job("0")]))
        assert sum(outcome.value is not None for outcome in runner.run(job(str(i)) for i in range(102))) == 3


def test_waits_double_and_are_the_same_for_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(seed: int) -> list[float]:
        waited: list[float] = []

        async def note(self: Runner, seconds: float) -> None:
            waited.extend([seconds] * (seconds > 0))

        monkeypatch.setattr(Runner, "_sleep", note)
        backend = ScriptedBackend(script={f"a{seed}": [RetryableError("busy")] * 5})
        with open_runner(
            tmp_path, backend, retry_policy=RetryPolicy(max_retries=5, initial_wait=1, max_wait=8, seed=seed)
        ) as runner:
            list(runner.run([job(f"a{seed}")]))
        return waited

    first = waits(1)
    assert all(most / 2 <= wait <= most for wait, most in zip(first, [1, 2, 4, 8, 8], strict=True))
    (tmp_path / "log").unlink()
    assert waits(1) == first
    assert waits(2) != first


def test_when_the_server_asks_for_a_pause_all_requests_wait(tmp_path: Path) -> None:
    backend = ScriptedBackend(script={"a": [RetryableError("HTTP 429", retry_after=0.3)]})
    with open_runner(tmp_path, backend, concurrency=1) as runner:
        start = time.monotonic()
        list(runner.run([job("a"), job("b")]))
        assert 0.25 < time.monotonic() - start < 3


def test_ctrl_c_waits_for_replies_under_way(tmp_path: Path) -> None:
    class Interrupted(ScriptedBackend):
        async def complete(self, request: ChatRequest) -> Reply:
            if request.text == "b":
                asyncio.get_running_loop().call_soon(self.interrupt)
            return await super().complete(request)

        def interrupt(self) -> None:
            raise KeyboardInterrupt

    backend = Interrupted(seconds=0.02)
    with open_runner(tmp_path, backend, concurrency=2) as runner, pytest.raises(KeyboardInterrupt):
        list(runner.run(map(job, "abcdefgh")))
    assert sorted(backend.texts) == ["a", "b"]
    again = ScriptedBackend()
    with open_runner(tmp_path, again) as runner:
        list(runner.run(map(job, "ab")))
    assert again.texts == []


def test_an_error_in_reading_is_not_taken_for_a_bad_reply(tmp_path: Path) -> None:
    def broken(reply: Reply) -> str:
        raise ZeroDivisionError("a mistake in the code")

    with open_runner(tmp_path, ScriptedBackend()) as runner, pytest.raises(ZeroDivisionError):
        list(runner.run([PromptJob(request_for("a"), broken), job("b")]))


def test_the_circuit_opens_after_so_many_failures_in_a_row() -> None:
    breaker = CircuitBreaker(3)
    assert [breaker.record_failure(request_at_fault=at_fault) for at_fault in (True, False, True)] == [
        False,
        False,
        True,
    ]


def test_a_reply_resets_the_count_of_failures() -> None:
    breaker = CircuitBreaker(2)
    breaker.record_failure(request_at_fault=False)
    breaker.record_success()
    assert not breaker.record_failure(request_at_fault=False)
    assert breaker.failures == 1


def test_a_faulty_request_does_not_count_once_others_have_been_answered() -> None:
    breaker = CircuitBreaker(1)
    breaker.record_success()
    assert not breaker.record_failure(request_at_fault=True)
    assert breaker.record_failure(request_at_fault=False)
