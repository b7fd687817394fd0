"""Replies of a base: greedy and sampled, in batches, from its own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from spacy_llama_ner.base.check import fingerprint
from spacy_llama_ner.base.load import load_shared
from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.llm.backends.base import BackendRefusedError, Message
from spacy_llama_ner.llm.backends.chat_model import ChatModel, EncodedPrompt
from tests.conftest import build_tiny_llama
from tests.llm.bases import STRICT, build_chat_llama

TEXTS = (
    "Anna called Peter.",
    "It rained.",
    "The UN praises a Danish plan to protect Baltic seals, said Maria Lopez.",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_chat_llama(tmp_path_factory.mktemp("chat-llama"))


@pytest.fixture(scope="module")
def chat(folder: Path) -> ChatModel:
    return ChatModel(str(folder))


def prompts(
    chat: ChatModel, *, limit: int = 12, temperature: float = 0.0, texts: Sequence[str] = TEXTS
) -> list[EncodedPrompt]:
    return [EncodedPrompt(chat.encode([Message("user", text)]), limit, temperature, text) for text in texts]


def test_a_chat_is_put_into_the_template_up_to_the_reply(chat: ChatModel, folder: Path) -> None:
    ids = chat.encode([Message("system", "Find names."), Message("user", "Anna called.")])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(ids) == "system: Find names.</s>user: Anna called.</s>assistant: "
    # the mark behind a message is one subword, not four
    assert ids.count(tokenizer.eos_token_id) == 2


def test_a_template_without_system_turns(tmp_path: Path) -> None:
    folder = build_chat_llama(tmp_path / "base", template=STRICT)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    strict = ChatModel(str(folder))
    ids = strict.encode([Message("system", "Find names."), Message("user", "Anna called.")])
    assert tokenizer.decode(ids) == "user: Find names.\n\nAnna called.</s>assistant: "
    with pytest.raises(BackendRefusedError, match="does not take the prompt: roles must alternate"):
        strict.encode([Message("user", "Anna called."), Message("user", "Who?")])


def test_a_reply_is_the_likeliest_subword_each_time(chat: ChatModel, folder: Path) -> None:
    """Reckoned without cache and padding, one subword after the other."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for prompt, (text, n_tokens, cut) in zip(prompts(chat), chat.generate(prompts(chat)), strict=True):
        ids = list(prompt.ids)
        for _ in range(n_tokens):
            with torch.inference_mode():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        expected = ids[len(prompt.ids) :]
        assert cut is (tokenizer.eos_token_id not in expected)
        assert text == tokenizer.decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_prompt_gets_the_same_reply_in_any_company(chat: ChatModel, temperature: float) -> None:
    together = chat.generate(prompts(chat, temperature=temperature))
    alone = [chat.generate([prompt])[0] for prompt in prompts(chat, temperature=temperature)]
    assert together == alone
    assert len({text for text, _, _ in together}) == len(TEXTS)


def test_each_reply_has_a_limit_of_its_own(chat: ChatModel) -> None:
    long, short = chat.generate(prompts(chat, limit=12, texts=TEXTS[:1]) + prompts(chat, limit=3, texts=TEXTS[1:2]))
    assert (long[1:], short[1:]) == ((12, True), (3, True))
    assert chat.generate(prompts(chat, limit=12, texts=TEXTS[1:2]))[0][0].startswith(short[0])


def test_a_reply_ends_where_the_model_ends_it(chat: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    (prompt,) = prompts(chat, texts=TEXTS[:1])
    whole = chat.generate([prompt])[0][0]
    ids = torch.tensor([prompt.ids])
    third = chat._model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3)[0, -1]
    monkeypatch.setattr(chat, "_end_ids", [int(third)])
    text, n_tokens, cut = chat.generate([prompt])[0]
    assert whole.startswith(text) and 0 < n_tokens <= 3 and not cut


def test_drawn_replies_differ_by_seed_and_follow_the_temperature(chat: ChatModel) -> None:
    (plain,) = prompts(chat, texts=TEXTS[:1])

    def drawn(temperature: float) -> set[str]:
        batch = [EncodedPrompt(plain.ids, plain.max_new_tokens, temperature, str(seed)) for seed in range(6)]
        return {text for text, _, _ in chat.generate(batch)}

    assert len(drawn(1.0)) == 6
    assert drawn(1e-4) == {chat.generate([plain])[0][0]}


def test_greedy_and_drawn_prompts_go_together(chat: ChatModel) -> None:
    greedy, drawn = prompts(chat, texts=TEXTS[:1])[0], prompts(chat, texts=TEXTS[1:2], temperature=1.0)[0]
    assert chat.generate([greedy, drawn]) == [*chat.generate([greedy]), *chat.generate([drawn])]


def test_a_base_that_components_share_stays_as_it_was(folder: Path) -> None:
    """The encoder sees both sides before and after, and the chat model only the left one."""
    import spacy

    encoder = LlamaEncoder(base=str(folder), attention="bidirectional", dtype="float32")
    encoder.initialize()
    doc = spacy.blank("en")("Anna called Peter in London.")
    before = encoder.predict([doc])[0].copy()
    shared = load_shared(folder, fingerprint(folder), dtype=torch.float32, device=torch.device("cpu"))
    chat = ChatModel(str(folder))
    first = chat.generate(prompts(chat))
    assert (encoder.predict([doc])[0] == before).all()
    assert chat.generate(prompts(chat)) == first
    assert shared.config._attn_implementation == "eager"
    assert not {p.data_ptr() for p in shared.parameters()} & {p.data_ptr() for p in chat._model.parameters()}


def test_settings_that_a_base_brings_for_sampling_are_left_aside(tmp_path: Path, chat: ChatModel) -> None:
    folder = build_chat_llama(tmp_path / "base")
    (folder / "generation_config.json").write_text(
        '{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "repetition_penalty": 3.0, "eos_token_id": [1, 5]}',
        encoding="utf8",
    )
    other = ChatModel(str(folder))
    (ours,) = chat.generate(prompts(chat, texts=TEXTS[:1]))
    (theirs,) = other.generate(prompts(other, texts=TEXTS[:1]))
    assert ours[0].startswith(theirs[0])
    assert other._end_ids == [1, 5]


def test_a_base_without_a_chat_template(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match="has no chat template, so it was not tuned to answer.*smollm2-135m"):
        ChatModel(str(tiny_llama))


def test_a_base_without_an_output_layer(tmp_path: Path) -> None:
    folder = build_chat_llama(tmp_path / "base")
    build_tiny_llama(tmp_path / "other")
    (folder / "config.json").write_bytes((tmp_path / "other" / "config.json").read_bytes())
    with pytest.raises(OSError, match="lacks 1 weights of its own config, among them \\['lm_head.weight'\\]"):
        ChatModel(str(folder))


def test_a_base_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="There is no base 'smollm3-nowhere'"):
        ChatModel("smollm3-nowhere")
