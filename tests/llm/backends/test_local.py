"""Requests to a base in this process: batches, limits, sampling, and what happens when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from spacy_llama_ner.llm.backends.base import BackendRefusedError, ChatRequest, Message, NoReplyError, Reply
from spacy_llama_ner.llm.backends.chat_model import Completion, EncodedPrompt
from spacy_llama_ner.llm.backends.local import MAX_BATCH_SIZE, LocalBackend
from tests.llm.bases import build_chat_llama


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_chat_llama(tmp_path_factory.mktemp("chat-llama"))


@pytest.fixture
def backend(folder: Path) -> LocalBackend:
    return LocalBackend(str(folder))


def request_for(text: str, *, max_tokens: int = 4, temperature: float = 0.0) -> ChatRequest:
    return ChatRequest((Message("user", text),), None, max_tokens, text, temperature)


def ask(backend: LocalBackend, requests: Sequence[ChatRequest]) -> list[Reply]:
    async def all_at_once() -> list[Reply]:
        return await asyncio.gather(*(backend.complete(each) for each in requests))

    return asyncio.run(all_at_once())


def watch(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches so far."""
    sizes: list[int] = []
    answer = backend._loaded.generate

    def counted(prompts: Sequence[EncodedPrompt]) -> list[Completion]:
        sizes.append(len(prompts))
        return answer(prompts)

    monkeypatch.setattr(backend._loaded, "generate", counted)
    return sizes


def test_requests_made_at_once_are_one_batch(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watch(backend, monkeypatch)
    replies = ask(backend, [request_for(f"Anna has {n} seals.") for n in range(5)])
    assert sizes == [5]
    assert all(reply.output_tokens == 4 and reply.cut and reply.seconds >= 0 for reply in replies)
    assert all(reply.input_tokens > len("Anna has") / 2 for reply in replies)


def test_the_seconds_of_a_batch_are_shared_out(backend: LocalBackend) -> None:
    start = perf_counter()
    replies = ask(backend, [request_for(f"Anna has {n} seals.", max_tokens=30) for n in range(4)])
    assert 0 < sum(reply.seconds for reply in replies) <= perf_counter() - start + 0.01


def test_replies_do_not_depend_on_the_rest_of_the_batch(backend: LocalBackend, folder: Path) -> None:
    requests = [request_for("It rained " * n + ".", temperature=n % 2) for n in range(1, 5)]
    together = [reply.text for reply in ask(backend, requests)]
    another = LocalBackend(str(folder))
    assert together == [ask(another, [each])[0].text for each in requests]
    assert len(set(together)) > 1


def test_a_batch_has_a_maximum_size(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = watch(backend, monkeypatch)
    ask(backend, [request_for(f"Seal {n}.", max_tokens=1) for n in range(MAX_BATCH_SIZE + 3)])
    assert sizes == [MAX_BATCH_SIZE, 3]


def test_long_prompts_go_in_smaller_batches(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_llama_ner.llm.backends.local.MAX_BATCH_TOKENS", 100)
    sizes = watch(backend, monkeypatch)
    replies = ask(backend, [request_for("a b c d " * 10), *(request_for("Hi.") for _ in range(4))])
    assert sizes == [1, 4]
    assert replies[0].input_tokens > replies[1].input_tokens


def test_a_reply_ends_where_the_base_ends(tmp_path: Path) -> None:
    small = LocalBackend(str(build_chat_llama(tmp_path / "small", max_position_embeddings=32)))
    (reply,) = ask(small, [request_for("Hi.", max_tokens=500)])
    assert reply.input_tokens + reply.output_tokens <= 32
    with pytest.raises(NoReplyError, match=r"the prompt has \d+ subwords, and local:.*small reads 32 with the reply"):
        ask(small, [request_for("a b c d e f " * 10)])


def test_each_attempt_is_drawn_anew_and_the_same_after_a_restart(backend: LocalBackend, folder: Path) -> None:
    first, second = (replace(request_for("Anna.", temperature=1.0), attempt=n) for n in (1, 2))
    drawn = [reply.text for reply in ask(backend, [first, second])]
    assert drawn[0] != drawn[1]
    assert [reply.text for reply in ask(LocalBackend(str(folder)), [second])] == drawn[1:]


def test_one_that_is_given_up_does_not_hold_up_the_others(backend: LocalBackend) -> None:
    async def give_up_one() -> Reply:
        first, second = (asyncio.create_task(backend.complete(request_for(text))) for text in ("Anna.", "Peter."))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(give_up_one()).text == ask(backend, [request_for("Peter.")])[0].text


def test_what_breaks_the_model_stops_the_run(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(prompts: Sequence[EncodedPrompt]) -> list[Completion]:
        raise MemoryError("no room")

    monkeypatch.setattr(backend._loaded, "generate", broken)
    with pytest.raises(BackendRefusedError, match="cannot go on: MemoryError: no room"):
        ask(backend, [request_for("Anna.")])


def test_a_closed_backend_answers_nothing(backend: LocalBackend) -> None:
    asyncio.run(backend.close())
    with pytest.raises(BackendRefusedError, match="was closed"):
        ask(backend, [request_for("Anna.")])


def test_closing_lets_go_of_those_that_wait(backend: LocalBackend) -> None:
    async def close_early() -> list[object]:
        tasks = [asyncio.create_task(backend.complete(request_for(f"Seal {n}."))) for n in range(3)]
        await asyncio.sleep(0)
        await backend.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(result, asyncio.CancelledError) for result in asyncio.run(close_early()))
