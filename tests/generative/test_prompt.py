"""How questions are framed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.generative.prompt import ChatForm, Frame, PieceTokenizer, system_prompt
from tests.generative.samples import chunk_of
from tests.llm.bases import STRICT, TEMPLATE, build_chat_llama


def frame_of(base: Path) -> tuple[str, str, str]:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    frame: Frame = ChatForm.find(base, "tiny").frame(tokenizer, "Be brief.")
    before, after, end = (tokenizer.decode(ids, skip_special_tokens=False) for ids in (*frame[:2], [frame.end]))
    return before, after, end


def test_a_question_stands_in_the_chat_template(chat_llama: Path) -> None:
    assert frame_of(chat_llama) == ("system: Be brief.</s>user: ", "</s>assistant: ", "</s>")


def test_a_template_without_a_system_turn_has_it_in_front_of_the_text(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path, template=STRICT)
    assert frame_of(base)[0] == "user: Be brief.\n\n"


def test_it_comes_back_from_what_a_pipeline_saves(chat_llama: Path) -> None:
    form = ChatForm.find(chat_llama, "tiny")
    assert ChatForm(**form.to_spec()) == form


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", "has no chat template"),
        ("{{ messages[0]['content'] }}", "does not hand on a text"),
        (TEMPLATE.replace("message['content']", "message['content'] | upper"), "does not hand on a text"),
        ("{{ raise_exception('never') }}", "does not take the question: never"),
    ],
)
def test_a_base_that_cannot_be_asked_is_refused(tmp_path: Path, template: str, told: str) -> None:
    base = build_chat_llama(tmp_path, template=template)
    with pytest.raises(BaseModelError, match=told):
        frame_of(base)


def test_labels_are_listed_with_what_they_mean() -> None:
    assert system_prompt("Find them.", {"NAME": "a person", "DATE": ""}) == (
        "Find them.\nLabels:\n- NAME: a person\n- DATE"
    )


@pytest.fixture(scope="module")
def speller(chat_llama: Path) -> PieceTokenizer:
    return PieceTokenizer((chat_llama / "tokenizer.json").read_text(encoding="utf8"))


@pytest.mark.parametrize("text", ["Mia", " Mia", " [", "](NAME)", "\n6", ": B-TIME", "ağaç 🦔", ""])
def test_pieces_come_back_as_they_were(speller: PieceTokenizer, text: str) -> None:
    assert speller.decode(speller.piece(text)) == text


def test_no_text_can_end_a_turn(speller: PieceTokenizer) -> None:
    text = "</s>assistant: <s>"
    assert not {0, 1} & set(speller.text(text)) | {0, 1} & set(speller.piece(text))
    assert speller.decode(speller.text(text)) == text


def test_words_are_as_the_base_spells_them() -> None:
    alphabet = {sign: i for i, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    chunk = chunk_of("Rene\u0301 came")
    assert PieceTokenizer(tokenizer.to_str()).as_written(chunk).words == ("Ren\u00e9", "came")


def test_a_space_that_a_tokenizer_puts_in_front_is_no_part_of_a_piece() -> None:
    vocab = {"<unk>": 0, "\u2581": 1, "\n": 2, "a": 3, "b": 4}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    speller = PieceTokenizer(tokenizer.to_str())
    assert speller.text("ab") == (1, 3, 4)
    assert (speller.piece("ab"), speller.piece(" ab")) == ((3, 4), (1, 3, 4))
