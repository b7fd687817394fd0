"""Text to subwords and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from spacy_llama_ner.generative.spelling import Speller

from .samples import chunk_of


@pytest.fixture(scope="module")
def speller(chat_llama: Path) -> Speller:
    return Speller((chat_llama / "tokenizer.json").read_text(encoding="utf8"))


@pytest.mark.parametrize("text", ["Mia", " Mia", " [", "](NAME)", "\n6", ": B-TIME", "ağaç 🦔", ""])
def test_pieces_come_back_as_they_were(speller: Speller, text: str) -> None:
    assert speller.decode(speller.piece(text)) == text


def test_no_text_can_end_a_turn(speller: Speller) -> None:
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
    assert Speller(tokenizer.to_str()).as_written(chunk).words == ("Ren\u00e9", "came")


def test_a_space_that_a_tokenizer_puts_in_front_is_no_part_of_a_piece() -> None:
    vocab = {"<unk>": 0, "\u2581": 1, "\n": 2, "a": 3, "b": 4}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace()
    speller = Speller(tokenizer.to_str())
    assert speller.text("ab") == (1, 3, 4)
    assert (speller.piece("ab"), speller.piece(" ab")) == ((3, 4), (1, 3, 4))
