"""`llama_reader`: the `llama_ner` components after it share one pass over the base."""

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
from spacy_llama_ner.encoder.vector_cache import KEPT_BATCHES
from tests.pipeline.samples import CORPUS, combine, ents, make_examples, make_label_examples, make_nlp, scores, train

TEXTS = [*(text for text, _ in CORPUS), "", "Did Friday call Mia Brook? " * 30]
Found = list[tuple[list[tuple[str, str]], list[float]]]


@pytest.fixture
def apart(people_and_days: dict[str, Path]) -> Language:
    return combine(people_and_days)


@pytest.fixture
def nlp(people_and_days: dict[str, Path]) -> Language:
    nlp = combine(people_and_days)
    nlp.add_pipe("llama_reader", first=True)
    return nlp


@pytest.fixture
def encoder_passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which kind of encoder has made each pass over the base."""
    kinds: list[str] = []
    run_decoder = PackedDecoder.run_decoder

    def spy(self: PackedDecoder, *args: Any) -> Any:
        kinds.append(type(self).__name__)
        return run_decoder(self, *args)

    monkeypatch.setattr(PackedDecoder, "run_decoder", spy)
    yield kinds


def found(docs: Any) -> Found:
    return [(ents(doc), scores(doc)) for doc in docs]


def assert_same(one: Found, other: Found) -> None:
    for (entities, found_scores), (other_entities, other_scores) in zip(one, other, strict=True):
        assert entities == other_entities
        assert found_scores == pytest.approx(other_scores, abs=1e-4)


def test_a_stream_is_predicted_the_same_with_half_the_passes(
    nlp: Language, apart: Language, encoder_passes: list[str]
) -> None:
    expected = found(apart.pipe(TEXTS))
    assert set(encoder_passes) == {"PackedDecoder"}
    n_passes = len(encoder_passes)
    encoder_passes.clear()
    assert_same(found(nlp.pipe(TEXTS)), expected)
    assert encoder_passes == ["MultiAdapterEncoder"] * (n_passes // 2)


def test_a_single_doc_is_predicted_the_same(nlp: Language, apart: Language, encoder_passes: list[str]) -> None:
    assert_same([*found([nlp(TEXTS[0])])], found([apart(TEXTS[0])]))
    assert encoder_passes == ["MultiAdapterEncoder", "PackedDecoder", "PackedDecoder"]
    assert ents(nlp("")) == []


def test_it_is_saved_and_loaded(nlp: Language, encoder_passes: list[str], tmp_path: Path) -> None:
    expected = found(nlp.pipe(TEXTS))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.pipe_names == ["llama_reader", "people", "days"]
    encoder_passes.clear()
    assert found(again.pipe(TEXTS)) == expected
    assert set(encoder_passes) == {"MultiAdapterEncoder"}


def test_further_training_takes_effect_at_once(nlp: Language, apart: Language) -> None:
    list(nlp.pipe(TEXTS))
    for each in (nlp, apart):
        with each.select_pipes(enable="people"):
            optimizer = each.resume_training()
            optimizer.learn_rate = 0.05
            each.update(make_label_examples(each, "NAME"), sgd=optimizer)
    assert_same(found(nlp.pipe(TEXTS)), found(apart.pipe(TEXTS)))


def test_a_copy_reads_for_its_own_components(nlp: Language, encoder_passes: list[str]) -> None:
    expected = found(nlp.pipe(TEXTS))
    clone = copy.deepcopy(nlp)
    assert clone.get_pipe("llama_reader")._encoders == []
    encoder_passes.clear()
    assert_same(found(clone.pipe(TEXTS)), expected)
    assert set(encoder_passes) == {"MultiAdapterEncoder"}
    read_for = {id(layer) for layers in clone.get_pipe("llama_reader").listener_map.values() for layer in layers}
    assert read_for == {id(clone.get_pipe(name).model.get_ref("tok2vec")) for name in ("people", "days")}


def test_components_may_be_added_and_removed(
    nlp: Language, encoder_passes: list[str], people_and_days: dict[str, Path]
) -> None:
    more = spacy.load(people_and_days["days"])
    nlp.add_pipe("llama_ner", name="third", source=more)
    nlp(TEXTS[0])
    (encoder,) = nlp.get_pipe("llama_reader")._encoders
    assert isinstance(encoder, MultiAdapterEncoder) and len(encoder.encoders) == 3
    nlp.remove_pipe("people")
    nlp(TEXTS[0])
    (encoder,) = nlp.get_pipe("llama_reader")._encoders
    assert len(encoder.encoders) == 2
    assert encoder_passes == ["MultiAdapterEncoder", "MultiAdapterEncoder"]


def test_a_disabled_component_is_skipped(nlp: Language, apart: Language) -> None:
    with nlp.select_pipes(disable="people"):
        docs = list(nlp.pipe(TEXTS))
    with apart.select_pipes(disable="people"):
        assert_same(found(docs), found(apart.pipe(TEXTS)))
    # the doc is read anew when the component is there again
    assert ents(nlp.get_pipe("people")(docs[0])) == CORPUS[0][1]


def test_vectors_that_are_not_used_are_dropped(nlp: Language) -> None:
    with nlp.select_pipes(disable="people"):
        docs = [nlp(TEXTS[0]) for _ in range(3 * KEPT_BATCHES)]
    assert docs
    vectors = nlp.get_pipe("people").model.get_ref("tok2vec").shims[0].module.cache
    assert len(vectors) == KEPT_BATCHES


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_two_processes_predict_the_same(nlp: Language, apart: Language) -> None:
    assert_same(found(nlp.pipe(TEXTS, n_process=2, batch_size=3)), found(apart.pipe(TEXTS)))


def test_threads_do_not_mix_their_vectors(nlp: Language, apart: Language) -> None:
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
    errors = []
    nlp.set_error_handler(lambda name, proc, docs, error: errors.append((name, len(docs), str(error))))
    assert list(nlp.pipe(TEXTS)) == []
    assert errors == [("llama_reader", len(TEXTS), "out of memory")]


def test_with_nothing_to_share_it_warns_once(
    tiny_llama: Path, people_and_days: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    nlp = combine({"people": people_and_days["people"]})
    nlp.add_pipe("llama_reader", first=True)
    with caplog.at_level(logging.WARNING, logger="spacy"):
        docs = [nlp(text) for text in TEXTS[:3]]
    assert [record.getMessage()[:38] for record in caplog.records] == ["'llama_reader' reads for no component."]
    assert "there are ['people']" in caplog.text
    assert ents(docs[0]) == [piece for piece in CORPUS[0][1] if piece[1] == "NAME"]


def test_it_behaves_as_a_pipe_of_spacy(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama)
    reader = nlp.add_pipe("llama_reader", first=True)
    assert not reader.is_trainable and reader.listening_components == ()
    assert list(reader.listener_map) == ["llama_ner"]
    assert spacy.blank("en").from_config(nlp.config).pipe_names == ["llama_reader", "llama_ner"]
    train(nlp, make_examples(nlp), steps=1)
    assert nlp.evaluate(make_examples(nlp))["ents_f"] is not None
    layer = nlp.get_pipe("llama_ner").model.get_ref("tok2vec")
    assert reader.remove_listener(layer, "llama_ner") and not reader.remove_listener(layer, "llama_ner")
