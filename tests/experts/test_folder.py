"""The folder of an export."""

from __future__ import annotations

from pathlib import Path

import pytest
from spacy.tokens import Doc

from spacy_llama_ner.experts import FORMATS, open_tasks, write_tasks

from .samples import LABELS, MEETING, NLP, marked


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_given_out_is_known_again(name: str, tmp_path: Path) -> None:
    odd = Doc(NLP.vocab, words=["Bo", "Ree", "d"], spaces=[True, False, False])
    docs = [marked(MEETING, ("Rome", "LOC")), odd, odd, NLP.make_doc("\n")]
    assert write_tasks(docs, tmp_path / "tasks", format=FORMATS[name], labels=LABELS) == 2
    given = open_tasks(tmp_path / "tasks", NLP)
    assert given.labels == LABELS
    assert (tmp_path / "tasks" / FORMATS[name].file).exists()
    texts = list(given.texts.docs.values())
    assert [[token.text for token in doc] for doc in texts][1] == ["Bo", "Ree", "d"]
    assert not any(doc.has_annotation("ENT_IOB") for doc in texts)


def test_nothing_to_give_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to write"):
        write_tasks([], tmp_path / "tasks", format=FORMATS["doccano"], labels=LABELS)


@pytest.mark.parametrize("damage", ["texts.spacy", "export.json", None])
def test_a_folder_of_something_else_or_damaged(damage: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    if damage:
        write_tasks([NLP.make_doc(MEETING)], folder, format=FORMATS["doccano"], labels=LABELS)
        (folder / damage).write_bytes(b"{")
    with pytest.raises(ValueError, match="holds no whole export .*Give the folder that `llama-ner export` wrote"):
        open_tasks(folder, NLP)
