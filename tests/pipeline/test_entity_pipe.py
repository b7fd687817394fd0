"""A folder that is damaged, or put together from two, says so and says what to do."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree

import pytest
import spacy
import srsly
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.head.architectures import TaggerHead
from spacy_llama_ner.head.bio import CLOSED, MISSING
from spacy_llama_ner.pipeline.entity_pipe import collect_labels, gather, gold_tags
from tests.pipeline.samples import CORPUS, ents, make_examples, make_nlp, scores, train


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    """A trained pipeline on disk, to be damaged."""
    return Path(copytree(trained_folder, tmp_path / "pipeline"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model(folder: Path, share: float) -> None:
    path = folder / "llama_ner" / "model"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from .*llama_ner.*copy the whole folder again"
    ):
        spacy.load(folder)


def test_a_file_that_is_gone(folder: Path) -> None:
    (folder / "llama_ner" / "model").unlink()
    with pytest.raises(OSError, match=r"\[llama_ner\] cannot be loaded from .*model.* copy the whole folder again"):
        spacy.load(folder)


def test_labels_that_are_gone(folder: Path) -> None:
    (folder / "llama_ner" / "cfg").unlink()
    with pytest.raises(ValueError, match=r"\[llama_ner\] .* names the labels \[\].* copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"labels": 3}', b"\xff\xfe"])
def test_a_label_file_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "cfg").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"\x00" * 500, b"hello world", b"\x80"])
def test_a_model_file_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "model").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("labels", [["NAME", "DATE"], ["DATE"], ["DATE", "NAME", "TIME"], []])
def test_labels_of_another_pipeline(folder: Path, labels: list[str]) -> None:
    srsly.write_json(folder / "llama_ner" / "cfg", {"labels": labels})
    told = rf"cfg names the labels {re.escape(str(labels))}, but .* \['DATE', 'NAME'\].*copy the whole folder again"
    with pytest.raises(ValueError, match=told):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("given", "changed"),
    [("rank = 4", "rank = 8"), ("spacy_llama_ner.LinearHead.v1", "spacy_llama_ner.BiLSTMHead.v1")],
)
def test_a_config_of_another_shape(folder: Path, given: str, changed: str) -> None:
    path = folder / "config.cfg"
    text = path.read_text(encoding="utf8")
    assert given in text
    path.write_text(text.replace(given, changed), encoding="utf8")
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] .*do not fit .*Load the pipeline with the config.cfg it was"
    ):
        spacy.load(folder)


def trained_on(base: Path, folder: Path) -> Path:
    nlp = make_nlp(base)
    train(nlp, make_examples(nlp), steps=1)
    nlp.to_disk(folder)
    return folder


def test_a_base_that_is_gone(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    rmtree(base)
    with pytest.raises(OSError, match=r"\[llama_ner\] .*not on this machine.*say so when loading"):
        spacy.load(folder)
    overrides = {"components": {"llama_ner": {"model": {"tok2vec": {"base": str(tiny_llama)}}}}}
    assert spacy.load(folder, config=overrides).get_pipe("llama_ner").is_initialized


def test_a_base_of_other_content(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    config = json.loads((base / "config.json").read_text(encoding="utf8"))
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*is not the one this pipeline was trained on.*Restore"):
        spacy.load(folder)


def test_bytes_that_were_cut(trained: Language, blank: Language) -> None:
    data = trained.get_pipe("llama_ner").to_bytes()
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from the bytes given.*copy the whole folder again"
    ):
        blank.get_pipe("llama_ner").from_bytes(data[: len(data) // 2])


NLP = spacy.blank("en")
LABELS = ["DATE", "NAME"]


def make_doc(words: list[str], spans: list[tuple[int, int, str]] | None = None, missing: tuple[int, ...] = ()) -> Doc:
    doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
    if spans is not None:
        gaps = [doc[i : i + 1] for i in missing]
        doc.set_ents([Span(doc, *span) for span in spans], missing=gaps, default="outside")
    return doc


def tags(predicted: Doc, reference: Doc) -> list[int]:
    return gold_tags(Example(predicted, reference), LABELS).tolist()


def test_entities_of_one_word_and_of_many() -> None:
    words = ["a", "b", "c", "d", "e", "f"]
    gold = make_doc(words, [(0, 1, "DATE"), (1, 4, "NAME"), (5, 6, "NAME")])
    assert tags(make_doc(words), gold) == [1, 3, 4, 4, 0, 3]


def test_words_without_annotation_are_missing() -> None:
    words = ["a", "b", "c", "d"]
    assert tags(make_doc(words), make_doc(words)) == [MISSING] * 4
    assert tags(make_doc(words), make_doc(words, [(0, 1, "NAME")], missing=(2,))) == [3, 0, MISSING, 0]


def test_a_word_without_annotation_behind_an_entity_does_not_go_on_with_it() -> None:
    words = ["a", "b", "c", "d", "e"]
    found = tags(make_doc(words), make_doc(words, [(0, 2, "NAME"), (4, 5, "DATE")], missing=(2, 3)))
    assert found == [3, 4, CLOSED, MISSING, 1]


def test_empty_docs() -> None:
    assert tags(make_doc([]), make_doc([])) == []


def test_words_that_were_cut_elsewhere() -> None:
    gold = make_doc(["ab", "cd", "ef", "gh"], [(0, 2, "NAME"), (3, 4, "DATE")])
    # finer words carry the entity on; a word that holds only a part of an entity is unknown
    assert tags(make_doc(["a", "b", "c", "d", "efg", "h"]), gold)[:4] == [3, 4, 4, 4]
    assert tags(make_doc(["a", "b", "c", "d", "efg", "h"]), gold)[4] == CLOSED
    # a coarser word carries it, too
    assert tags(make_doc(["abcd", "ef", "gh"]), gold) == [3, 0, 1]


def test_a_stretch_of_known_tags_never_starts_inside_an_entity() -> None:
    gold = make_doc(["ab", "cd", "ef"], [(0, 2, "NAME")])
    for cut in (["abc", "d", "ef"], ["a", "bcde", "f"], ["abcde", "f"], ["a", "b", "cdef"]):
        found = [MISSING, *tags(make_doc(cut), gold)]
        inside = [i for i, tag in enumerate(found) if tag > 0 and tag % 2 == 0]
        assert all(found[i - 1] in (found[i], found[i] - 1) for i in inside)


def test_an_unknown_label_is_an_error() -> None:
    gold = make_doc(["a"], [(0, 1, "PLACE")])
    with pytest.raises(ValueError, match="label 'PLACE', which this component does not have"):
        tags(make_doc(["a"]), gold)


def test_where_it_need_not_be_known_an_unknown_label_is_missing_as_a_whole() -> None:
    words = ["a", "b", "c", "d"]
    gold = make_doc(words, [(0, 2, "PLACE"), (3, 4, "NAME")])
    found = gold_tags(Example(make_doc(words), gold), LABELS, strict=False)
    assert found.tolist() == [MISSING, MISSING, 0, 3]


def test_labels_are_collected_sorted() -> None:
    golds = [make_doc(["a", "b"], spans) for spans in ([(0, 1, "B")], [], None, [(0, 1, "A"), (1, 2, "B")])]
    assert collect_labels(Example(make_doc(["a", "b"]), gold) for gold in golds) == ["A", "B"]


N_BATCHES, DOCS_PER_BATCH = 50, 20
LONGEST = 20_000

# text that the pipeline knows, and text that no tokenizer was made for
KNOWN = st.sampled_from([piece for text, _ in CORPUS for piece in (text, text + "\n\n", f" {text}.")])
ODD = st.sampled_from(
    ["\u200b", "\ufeff", " \t ", "\r\n", "\xa0", "👩‍👩‍👧‍👦", "e\u0301\u0327", "\u202e", "\x00", "a" * 300, "ﷺ"]
)
CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PIECE = st.one_of(KNOWN, ODD, CHARACTERS)
SHORT = st.lists(PIECE, max_size=5).map("".join)
LENGTHS = [LONGEST, 16_000, 12_000, 8_000, 4_000, 500, 40, 0]


TEXTS = st.lists(SHORT, min_size=DOCS_PER_BATCH - 1, max_size=DOCS_PER_BATCH - 1)


def repeated(seed: str, length: int) -> str:
    """`seed`, again and again, up to `length` characters."""
    seed = seed or "Omar, "
    return (seed * (length // len(seed) + 1))[:length]


def entities(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def check(nlp: Language, texts: list[str], seen: dict[str, int]) -> None:
    docs = list(nlp.pipe(texts))
    assert [doc.text for doc in docs] == texts
    for doc, text in zip(docs, texts, strict=True):
        for ent in doc.ents:
            assert doc.char_span(ent.start_char, ent.end_char) is not None
            assert ent.text and not ent[0].is_space and not ent[-1].is_space
        alone = nlp(text)
        assert entities(alone) == entities(doc)
        assert list(alone.spans["llama_ner"]) == list(alone.ents)
        assert scores(alone) == pytest.approx(scores(doc), abs=1e-3)
        assert all(0 <= score <= 1 for score in scores(doc))
        seen["docs"] += 1
        seen["with entities"] += bool(doc.ents)
        seen["long"] += len(text) > LONGEST / 2


def test_a_thousand_random_docs(trained: Language) -> None:
    seen = {"docs": 0, "with entities": 0, "long": 0}

    @settings(
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        max_examples=N_BATCHES,
        suppress_health_check=list(HealthCheck),
    )
    @given(TEXTS, SHORT, st.integers(0, DOCS_PER_BATCH - 1))
    def go(texts: list[str], seed: str, where: int) -> None:
        # not drawn, since what a strategy draws may lean to the short ones
        length = LENGTHS[seen["docs"] // DOCS_PER_BATCH % len(LENGTHS)]
        check(trained, [*texts[:where], repeated(seed, length), *texts[where:]], seen)

    go()
    assert seen["docs"] >= 1000
    assert seen["with entities"] > 100
    assert seen["long"] > 5


SERIALIZATION_TEXTS = [
    *(text for text, _ in CORPUS),
    "",
    "Omar\n\nBrook  \u200b🙂",
    "Did Friday call Mia Brook? " * 30,
]
Predictions = list[list[tuple[int, int, str, float]]]


def predict(nlp: Language, texts: list[str] = SERIALIZATION_TEXTS) -> Predictions:
    return [
        [(e.start, e.end, e.label_, score) for e, score in zip(doc.ents, scores(doc), strict=True)]
        for doc in nlp.pipe(texts)
    ]


def test_bytes_hold_it_all(trained: Language, tiny_llama: Path) -> None:
    again = make_nlp(tiny_llama).from_bytes(trained.to_bytes())
    assert predict(again) == predict(trained)
    assert again.get_pipe("llama_ner").labels == trained.get_pipe("llama_ner").labels


def test_a_components_own_bytes_hold_it_all(trained: Language, blank: Language, tmp_path: Path) -> None:
    ner, fresh = trained.get_pipe("llama_ner"), blank.get_pipe("llama_ner")
    fresh.from_bytes(ner.to_bytes())
    assert predict(blank) == predict(trained)
    assert fresh.to_bytes(exclude=["vocab"]) == ner.to_bytes(exclude=["vocab"])


def test_disk_holds_it_all(trained: Language, tmp_path: Path) -> None:
    trained.to_disk(tmp_path / "a")
    again = spacy.load(tmp_path / "a")
    assert predict(again) == predict(trained)
    again.to_disk(tmp_path / "b")
    model = Path("llama_ner") / "model"
    assert (tmp_path / "a" / model).read_bytes() == (tmp_path / "b" / model).read_bytes()


def set_temperature(nlp: Language, value: float) -> None:
    nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module.temperature = value


def test_calibrated_scores_are_in_every_copy(nlp: Language, tiny_llama: Path, tmp_path: Path) -> None:
    raw = predict(nlp)
    set_temperature(nlp, 2.0)
    calibrated = predict(nlp)
    assert calibrated != raw
    assert [[ent[:3] for ent in doc] for doc in calibrated] == [[ent[:3] for ent in doc] for doc in raw]
    nlp.to_disk(tmp_path)
    assert predict(spacy.load(tmp_path)) == calibrated
    assert predict(make_nlp(tiny_llama).from_bytes(nlp.to_bytes())) == calibrated
    assert predict(copy.deepcopy(nlp)) == calibrated
    docs = [nlp.make_doc(text) for text in SERIALIZATION_TEXTS]
    ner = nlp.get_pipe("llama_ner")
    assert pickle.loads(pickle.dumps(ner)).predict(docs) == ner.predict(docs)


def test_pipelines_saved_before_there_was_a_temperature(
    trained: Language, nlp: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TaggerHead, "spec", lambda self: {"width": self.width, "labels": self.labels})
        trained.to_disk(tmp_path)
    assert b"temperature" not in (tmp_path / "llama_ner" / "model").read_bytes()
    assert predict(spacy.load(tmp_path)) == predict(trained)
    set_temperature(nlp, 2.0)
    assert predict(nlp.from_disk(tmp_path)) == predict(trained)


def test_a_temperature_stays_through_training_and_new_labels(nlp: Language) -> None:
    set_temperature(nlp, 2.0)
    head = nlp.get_pipe("llama_ner").model.get_ref("head")
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    nlp.get_pipe("llama_ner").add_label("PLACE")
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    assert head.shims[0].module.temperature == 2.0
    nlp.initialize(lambda: make_examples(nlp))
    assert head.shims[0].module.temperature == 1.0


def test_an_untrained_pipeline_is_saved_and_loaded_too(blank: Language, tmp_path: Path) -> None:
    blank.get_pipe("llama_ner").add_label("NAME")
    blank.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    ner = again.get_pipe("llama_ner")
    assert ner.labels == ("NAME",) and not ner.is_initialized
    train(again, make_examples(again), steps=1)
    assert ner.labels == ("NAME", "DATE")


def test_training_goes_on_where_it_was_saved(trained_folder: Path, nlp: Language) -> None:
    optimizer = nlp.resume_training()
    first = nlp.update(make_examples(nlp), sgd=optimizer)["llama_ner"]
    assert first < 0.5
    assert [ents(nlp(text)) for text, _ in CORPUS] == [pieces for _, pieces in CORPUS]


def test_the_base_is_not_in_it_unless_asked_for(trained: Language, tiny_llama: Path, tmp_path: Path) -> None:
    weights = (tiny_llama / "model.safetensors").read_bytes()
    assert weights not in trained.get_pipe("llama_ner").to_bytes()
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    whole = make_nlp(base, tok2vec={"save_base": True})
    train(whole, make_examples(whole), steps=1)
    assert weights in whole.get_pipe("llama_ner").to_bytes()
    expected = predict(whole)
    whole.to_disk(tmp_path / "pipeline")
    base.rename(tmp_path / "elsewhere")
    assert predict(spacy.load(tmp_path / "pipeline")) == expected


def test_a_deep_copy_is_its_own(trained: Language) -> None:
    clone = copy.deepcopy(trained)
    before = predict(trained)
    assert predict(clone) == before
    optimizer = clone.resume_training()
    optimizer.learn_rate = 0.1
    for _ in range(3):
        clone.update(make_examples(clone), sgd=optimizer)
    assert predict(clone) != before
    assert predict(trained) == before


def test_a_deep_copy_of_an_untrained_pipeline_can_be_trained(blank: Language) -> None:
    clone = copy.deepcopy(blank)
    train(clone, make_examples(clone), steps=1)
    assert not blank.get_pipe("llama_ner").is_initialized
    assert blank.get_pipe("llama_ner").labels == ()


def test_pickles(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    clone = pickle.loads(pickle.dumps(ner))
    docs = [trained.make_doc(text) for text in SERIALIZATION_TEXTS]
    assert clone.predict(docs) == ner.predict(docs)
    assert (clone.labels, clone.name, clone.spans_key) == (ner.labels, ner.name, ner.spans_key)


def test_docs_with_its_annotation_pickle(trained: Language) -> None:
    doc = pickle.loads(pickle.dumps(trained(CORPUS[0][0])))
    assert isinstance(doc, Doc) and ents(doc) == CORPUS[0][1]


CHILD = """
import json, socket, sys

class NoSocket(socket.socket):
    def __init__(self, *args, **kwargs):
        raise OSError("the network is off")

socket.socket = NoSocket
import spacy
nlp = spacy.load(sys.argv[1])
docs = list(nlp.pipe(json.loads(sys.stdin.read())))
print(json.dumps([[(e.start, e.end, e.label_, float(s)) for e, s in
      zip(d.ents, d.spans["llama_ner"].attrs["scores"])] for d in docs]))
"""


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_new_process_elsewhere_without_a_network_says_the_same(
    trained: Language, trained_folder: Path, tmp_path: Path, offline: str
) -> None:
    copied = copytree(trained_folder, tmp_path / "copied")
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, os.path.relpath(copied, tmp_path / "elsewhere")],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "HF_HUB_OFFLINE": offline, "SPACY_LLAMA_NER_CACHE": str(tmp_path / "cache")},
        input=json.dumps(SERIALIZATION_TEXTS),
        capture_output=True,
        encoding="utf8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [[tuple(entity) for entity in doc] for doc in json.loads(done.stdout)]
    assert found == predict(trained)
    assert sum(map(len, found)) > 5


VOCAB = spacy.blank("en").vocab


def make_docs(lengths: list[int]) -> list[Doc]:
    return [Doc(VOCAB, words=["w"] * n) for n in lengths]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([0], [[0]]),
        ([3, 4, 3], [[3, 4, 3]]),
        ([3, 4, 4], [[3, 4], [4]]),
        ([11, 1, 25, 25, 2], [[11], [1], [25], [25], [2]]),
        ([0] * 12, [[0] * 10, [0] * 2]),
    ],
)
def test_lists_of_at_most_ten_words(lengths: list[int], expected: list[list[int]]) -> None:
    docs = make_docs(lengths)
    groups = list(gather(docs, n_words=10))
    assert [[len(doc) for doc in group] for group in groups] == expected
    assert [id(doc) for group in groups for doc in group] == [id(doc) for doc in docs]


def test_reads_one_doc_further_than_it_gives() -> None:
    taken = []

    def stream() -> Iterator[Doc]:
        for doc in make_docs([6] * 100):
            taken.append(doc)
            yield doc

    first = next(gather(stream(), n_words=10))
    assert len(first) == 1 and len(taken) == 2
