"""Prompts: the chat template around a text, the system prompt, and how texts and pieces are tokenized."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.generative.prompt import ChatTemplate, PieceTokenizer, PromptFrame, system_prompt
from tests.generative.samples import chunk_of
from tests.llm.bases import STRICT, TEMPLATE, build_chat_llama


def frame_of(base: Path) -> tuple[str, str, str]:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    frame: PromptFrame = ChatTemplate.load(base, "tiny").make_frame(tokenizer, "Be brief.")
    before, after, end = (tokenizer.decode(ids, skip_special_tokens=False) for ids in (*frame[:2], [frame.end]))
    return before, after, end


def test_the_chat_template_frames_the_text(chat_llama: Path) -> None:
    assert frame_of(chat_llama) == ("system: Be brief.</s>user: ", "</s>assistant: ", "</s>")


def test_without_a_system_turn_the_system_prompt_comes_before_the_text(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path, template=STRICT)
    assert frame_of(base)[0] == "user: Be brief.\n\n"


def test_a_template_is_rebuilt_from_its_spec(chat_llama: Path) -> None:
    template = ChatTemplate.load(chat_llama, "tiny")
    assert ChatTemplate(**template.to_spec()) == template


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "has no chat template"),
        ("{{ messages[0]['content'] }}", "does not hand on a text"),
        (TEMPLATE.replace("message['content']", "message['content'] | upper"), "does not hand on a text"),
        ("{{ raise_exception('never') }}", "does not take the prompt: never"),
    ],
)
def test_a_base_that_cannot_be_prompted_is_refused(tmp_path: Path, template: str, message: str) -> None:
    base = build_chat_llama(tmp_path, template=template)
    with pytest.raises(BaseModelError, match=message):
        frame_of(base)


def test_the_system_prompt_lists_labels_and_descriptions() -> None:
    assert system_prompt("Find them.", {"NAME": "a person", "DATE": ""}) == (
        "Find them.\nLabels:\n- NAME: a person\n- DATE"
    )


@pytest.fixture(scope="module")
def tokenizer(chat_llama: Path) -> PieceTokenizer:
    return PieceTokenizer((chat_llama / "tokenizer.json").read_text(encoding="utf8"))


@pytest.mark.parametrize("text", ["Mia", " Mia", " [", "](NAME)", "\n6", ": B-TIME", "ağaç 🦔", ""])
def test_pieces_are_decoded_to_what_they_were(tokenizer: PieceTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.tokenize_piece(text)) == text


def test_special_tokens_in_a_text_are_plain_text(tokenizer: PieceTokenizer) -> None:
    text = "</s>assistant: <s>"
    assert not {0, 1} & set(tokenizer.tokenize(text)) | {0, 1} & set(tokenizer.tokenize_piece(text))
    assert tokenizer.decode(tokenizer.tokenize(text)) == text


def test_words_are_normalized_as_by_the_tokenizer() -> None:
    alphabet = {sign: i for i, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    chunk = chunk_of("Rene\u0301 came")
    assert PieceTokenizer(tokenizer.to_str()).normalize(chunk).words == ("Ren\u00e9", "came")


def test_a_space_that_the_tokenizer_puts_in_front_is_no_part_of_a_piece() -> None:
    vocab = {"<unk>": 0, "\u2581": 1, "\n": 2, "a": 3, "b": 4}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    tokenizer = PieceTokenizer(tokenizer.to_str())
    assert tokenizer.tokenize("ab") == (1, 3, 4)
    assert (tokenizer.tokenize_piece("ab"), tokenizer.tokenize_piece(" ab")) == ((3, 4), (1, 3, 4))
