"""`llama_reader`: recognisers behind it share one pass over the base."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_llama_ner.encoder.modules import PackedDecoder
from spacy_llama_ner.encoder.multi_adapter import MultiAdapterEncoder
from spacy_llama_ner.encoder.vector_cache import KEPT
from tests.pipeline.recognisers import examples_of, together
from tests.pipeline.samples import CORPUS, ents, make_examples, make_nlp, scores, train

TEXTS = [*(text for text, _ in CORPUS), "", "Did Friday call Mia Brook? " * 30]
Found = list[tuple[list[tuple[str, str]], list[float]]]


@pytest.fixture
def apart(recognisers: dict[str, Path]) -> Language:
    return together(recognisers)


@pytest.fixture
def nlp(recognisers: dict[str, Path]) -> Language:
    nlp = together(recognisers)
    nlp.add_pipe("llama_reader", first=True)
    return nlp


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which kind of encoder has made each pass over the base."""
    made: list[str] = []
    read_rows = PackedDecoder.read_rows

    def spy(self: PackedDecoder, *args: Any) -> Any:
        made.append(type(self).__name__)
        return read_rows(self, *args)

    monkeypatch.setattr(PackedDecoder, "read_rows", spy)
    yield made


def found(docs: Any) -> Found:
    return [(ents(doc), scores(doc)) for doc in docs]


def assert_same(one: Found, other: Found) -> None:
    for (mine, sure), (theirs, as_sure) in zip(one, other, strict=True):
        assert mine == theirs
        assert sure == pytest.approx(as_sure, abs=1e-4)


def test_a_stream_says_the_same_after_half_the_passes(nlp: Language, apart: Language, passes: list[str]) -> None:
    expected = found(apart.pipe(TEXTS))
    assert set(passes) == {"WordEncoder"}
    n_passes = len(passes)
    passes.clear()
    assert_same(found(nlp.pipe(TEXTS)), expected)
    assert passes == ["Together"] * (n_passes // 2)


def test_a_single_doc_too(nlp: Language, apart: Language, passes: list[str]) -> None:
    assert_same([*found([nlp(TEXTS[0])])], found([apart(TEXTS[0])]))
    assert passes == ["Together", "WordEncoder", "WordEncoder"]
    assert ents(nlp("")) == []


def test_it_is_saved_and_loaded(nlp: Language, passes: list[str], tmp_path: Path) -> None:
    expected = found(nlp.pipe(TEXTS))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.pipe_names == ["llama_reader", "people", "days"]
    passes.clear()
    assert found(again.pipe(TEXTS)) == expected
    assert set(passes) == {"Together"}


def test_training_goes_on_and_counts_at_once(nlp: Language, apart: Language) -> None:
    list(nlp.pipe(TEXTS))
    for each in (nlp, apart):
        with each.select_pipes(enable="people"):
            optimizer = each.resume_training()
            optimizer.learn_rate = 0.05
            each.update(examples_of(each, "NAME"), sgd=optimizer)
    assert_same(found(nlp.pipe(TEXTS)), found(apart.pipe(TEXTS)))


def test_a_copy_reads_for_its_own_components(nlp: Language, passes: list[str]) -> None:
    expected = found(nlp.pipe(TEXTS))
    clone = copy.deepcopy(nlp)
    assert clone.get_pipe("llama_reader")._made == []
    passes.clear()
    assert_same(found(clone.pipe(TEXTS)), expected)
    assert set(passes) == {"Together"}
    read_for = {id(layer) for layers in clone.get_pipe("llama_reader").listener_map.values() for layer in layers}
    assert read_for == {id(clone.get_pipe(name).model.get_ref("tok2vec")) for name in ("people", "days")}


def test_components_that_come_and_go_are_noticed(
    nlp: Language, passes: list[str], recognisers: dict[str, Path]
) -> None:
    more = spacy.load(recognisers["days"])
    nlp.add_pipe("llama_ner", name="third", source=more)
    nlp(TEXTS[0])
    (made,) = nlp.get_pipe("llama_reader")._made
    assert isinstance(made, MultiAdapterEncoder) and len(made.encoders) == 3
    nlp.remove_pipe("people")
    nlp(TEXTS[0])
    (made,) = nlp.get_pipe("llama_reader")._made
    assert len(made.encoders) == 2
    assert passes == ["Together", "Together"]


def test_one_that_is_switched_off_disturbs_nobody(nlp: Language, apart: Language) -> None:
    with nlp.select_pipes(disable="people"):
        docs = list(nlp.pipe(TEXTS))
    with apart.select_pipes(disable="people"):
        assert_same(found(docs), found(apart.pipe(TEXTS)))
    # the doc is read anew when the component is there again
    assert ents(nlp.get_pipe("people")(docs[0])) == CORPUS[0][1]


def test_vectors_that_nobody_takes_are_not_kept_for_good(nlp: Language) -> None:
    with nlp.select_pipes(disable="people"):
        docs = [nlp(TEXTS[0]) for _ in range(3 * KEPT)]
    assert docs
    ahead = nlp.get_pipe("people").model.get_ref("tok2vec").shims[0].module.ahead
    assert len(ahead) == KEPT


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_two_processes(nlp: Language, apart: Language) -> None:
    assert_same(found(nlp.pipe(TEXTS, n_process=2, batch_size=3)), found(apart.pipe(TEXTS)))


def test_threads_find_their_own(nlp: Language, apart: Language) -> None:
    expected = found(apart.pipe(TEXTS))
    with ThreadPoolExecutor(max_workers=2) as pool:
        for docs in pool.map(lambda _: list(nlp.pipe(TEXTS)), range(20)):
            assert_same(found(docs), expected)


def test_an_error_reaches_the_error_handler(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(docs: list[Doc]) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(nlp.get_pipe("llama_reader"), "read", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(nlp.pipe(TEXTS))
    with pytest.raises(RuntimeError, match="out of memory"):
        nlp(TEXTS[0])
    told = []
    nlp.set_error_handler(lambda name, proc, docs, error: told.append((name, len(docs), str(error))))
    assert list(nlp.pipe(TEXTS)) == []
    assert told == [("llama_reader", len(TEXTS), "out of memory")]


def test_with_nothing_to_share_it_says_so_once(
    tiny_llama: Path, recognisers: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    nlp = together({"people": recognisers["people"]})
    nlp.add_pipe("llama_reader", first=True)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        docs = [nlp(text) for text in TEXTS[:3]]
    assert [record.getMessage()[:34] for record in caplog.records] == ["'llama_reader' reads for nobody. B"]
    assert "there are ['people']" in caplog.text
    assert ents(docs[0]) == [piece for piece in CORPUS[0][1] if piece[1] == "NAME"]


def test_it_takes_part_in_a_pipeline_as_others_do(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama)
    reader = nlp.add_pipe("llama_reader", first=True)
    assert not reader.is_trainable and reader.listening_components == ()
    assert list(reader.listener_map) == ["llama_ner"]
    assert spacy.blank("en").from_config(nlp.config).pipe_names == ["llama_reader", "llama_ner"]
    train(nlp, make_examples(nlp), steps=1)
    assert nlp.evaluate(make_examples(nlp))["ents_f"] is not None
    layer = nlp.get_pipe("llama_ner").model.get_ref("tok2vec")
    assert reader.remove_listener(layer, "llama_ner") and not reader.remove_listener(layer, "llama_ner")
