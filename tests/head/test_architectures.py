"""The tagger over any tok2vec, which learns three examples by heart, and its heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, get_current_ops, set_dropout_rate

from spacy_llama_ner.head import BiLSTMHead, CRFTagger, LinearHead, TaggingLoss
from spacy_llama_ner.head.architectures import HeadModel, TaggerHead, extend_labels, get_tagging_loss, set_labels
from tests.conftest import build_tiny_encoder
from tests.pipeline.samples import learn_by_heart

TEXTS = [
    ("Ada Brook calls on Monday", [(0, 9, "NAME"), (19, 25, "DATE")]),
    ("remind Tom about lunch", [(7, 10, "NAME")]),
    ("nothing happens on May 3", [(19, 24, "DATE")]),
]
EMBED = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 32,
    "depth": 2,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}

WIDTH = 6
RNG = np.random.default_rng(0)
LENGTHS = (3, 0, 7, 1, 0)
HEADS: dict[str, Callable[[], HeadModel]] = {
    "linear": LinearHead,
    "bilstm": lambda: BiLSTMHead(5),
    "two bilstms": lambda: BiLSTMHead(4, layers=2),
}
each_head = pytest.mark.parametrize("kind", list(HEADS))


def make_examples(nlp: Language) -> list[Example]:
    return [Example.from_dict(nlp.make_doc(text), {"entities": spans}) for text, spans in TEXTS]


def learn(nlp: Language, *, learn_rate: float = 0.01) -> dict[str, float]:
    """Train until the examples are known, check that they are, and give the losses of the last step."""
    losses = learn_by_heart(nlp, make_examples(nlp), learn_rate=learn_rate)
    for text, spans in TEXTS:
        assert [(ent.start_char, ent.end_char, ent.label_) for ent in nlp(text).ents] == spans
    return losses[-1]


def saved_and_kept(nlp: Language, folder: Path) -> Iterator[tuple[Any, Any]]:
    """Emissions of each text, from `nlp` saved to `folder` and loaded again, and from `nlp` itself."""
    nlp.to_disk(folder)
    loaded = spacy.load(folder)
    for text, _ in TEXTS:
        emissions, expected = (
            each.get_pipe("llama_ner").model.predict([each.make_doc(text)])[0] for each in (loaded, nlp)
        )
        yield emissions, expected


def torch_head(head: HeadModel) -> TaggerHead:
    return head.shims[0].module


def make_head(kind: str) -> HeadModel:
    head = HEADS[kind]()
    head.set_dim("nI", WIDTH)
    set_labels(head, ["DATE", "NAME"])
    head.initialize()
    return head


def make_words(lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray]:
    return [RNG.normal(size=(n, WIDTH)).astype("float32") for n in lengths]


@pytest.mark.parametrize(
    "head",
    [
        {"@architectures": "spacy_llama_ner.LinearHead.v1", "learn_rate_factor": 1.0},
        {"@architectures": "spacy_llama_ner.BiLSTMHead.v1", "hidden": 16, "learn_rate_factor": 1.0},
    ],
)
def test_learns_over_a_convolutional_embedding(head: dict[str, Any]) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": EMBED, "head": head}})
    learn(nlp)


def test_learns_over_a_listener_to_a_shared_tok2vec() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": EMBED})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": listener}})
    assert nlp.get_pipe("tok2vec").listening_components == ["llama_ner"]
    losses = learn(nlp)
    # what the shared layer reports is the size of the gradients that reached it
    assert losses["tok2vec"] > 0


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_learns_over_a_bert_by_spacy_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("spacy_transformers")
    nlp = spacy.blank("en")
    bert = {
        "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
        "name": str(tiny_bert),
        "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12},
        "tokenizer_config": {"use_fast": True},
        "pooling": {"@layers": "reduce_mean.v1"},
        "grad_factor": 1.0,
        "transformer_config": {},
        "mixed_precision": False,
    }
    head = {"@architectures": "spacy_llama_ner.BiLSTMHead.v1", "hidden": 16, "learn_rate_factor": 3.0}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": bert, "head": head}})
    learn(nlp, learn_rate=0.003)
    for emissions, expected in saved_and_kept(nlp, tmp_path / "pipeline"):
        np.testing.assert_allclose(emissions, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_learns_over_an_encoder_with_lora(tmp_path: Path, kind: str) -> None:
    nlp = spacy.blank("en")
    base = str(build_tiny_encoder(tmp_path / kind, kind))
    encoder = {"@architectures": "spacy_llama_ner.TransformerEncoder.v1", "base": base, "dtype": "float32"}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": encoder}})
    learn(nlp, learn_rate=0.003)
    for emissions, expected in saved_and_kept(nlp, tmp_path / "pipeline"):
        np.testing.assert_array_equal(emissions, expected)


def test_needs_examples_where_the_width_shows_only_in_use() -> None:
    def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple:
        return [model.ops.alloc2f(len(doc), 3) for doc in docs], lambda d_words: []

    nlp = spacy.blank("en")
    head = LinearHead()
    set_labels(head, ["NAME"])
    tagger = CRFTagger(Model("of_unknown_width", forward), head, TaggingLoss())
    with pytest.raises(ValueError, match="Initialize the component with examples"):
        tagger.initialize()
    tagger.initialize(X=[nlp.make_doc("Ada calls")])
    assert tagger.predict([nlp.make_doc("Ada")])[0].shape == (1, 3)


def test_gives_fp32_emissions_of_all_tags() -> None:
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("llama_ner", config={"model": {"tok2vec": EMBED}})
    nlp.initialize(lambda: make_examples(nlp))
    docs = [nlp.make_doc(text) for text in ("Ada calls", "", "Tom")]
    emissions = ner.model.predict(docs)
    assert [doc.shape for doc in emissions] == [(2, 5), (0, 5), (1, 5)]
    assert all(doc.dtype == np.float32 for doc in emissions)


def test_the_loss_of_the_config_is_the_loss_of_the_model() -> None:
    nlp = spacy.blank("en")
    loss = {"crf": 0.5, "cross_entropy": 2.0, "label_weights": {"NAME": 3.0}}
    ner = nlp.add_pipe("llama_ner", config={"model": {"tok2vec": EMBED, "loss": loss}})
    assert get_tagging_loss(ner.model) == TaggingLoss(0.5, 2.0, 0.0, {"NAME": 3.0})


@each_head
def test_gives_each_word_one_score_a_tag(kind: str) -> None:
    emissions = make_head(kind).predict(make_words())
    assert [doc.shape for doc in emissions] == [(n, 5) for n in LENGTHS]
    assert {str(doc.dtype) for doc in emissions} == {"float32"}


@each_head
def test_a_doc_gets_the_same_alone_and_among_others(kind: str) -> None:
    head, words = make_head(kind), make_words()
    for together, doc in zip(head.predict(words), words, strict=True):
        np.testing.assert_allclose(together, head.predict([doc])[0], atol=1e-5)


@each_head
def test_docs_without_words_get_no_emissions(kind: str) -> None:
    emissions, backprop = make_head(kind)(make_words((0, 0)), is_train=True)
    assert [doc.shape for doc in emissions] == [(0, 5), (0, 5)]
    assert [doc.shape for doc in backprop(emissions)] == [(0, WIDTH), (0, WIDTH)]


@pytest.mark.parametrize(("kind", "depends"), [("linear", False), ("bilstm", True)])
def test_only_a_bilstm_depends_on_the_words_around(kind: str, depends: bool) -> None:
    head, (words,) = make_head(kind), make_words((5,))
    changed = words.copy()
    changed[-1] += 1
    first, moved = head.predict([words])[0][0], head.predict([changed])[0][0]
    assert np.array_equal(first, moved) is not depends


@each_head
def test_gradients_on_the_words_are_finite_differences(kind: str) -> None:
    head, words = make_head(kind), make_words((3, 0, 2))
    weights = [RNG.normal(size=(n, 5)).astype("float32") for n in (3, 0, 2)]

    def total(docs: list[np.ndarray]) -> float:
        pairs = zip(head.predict(docs), weights, strict=True)
        return float(sum((scores.astype("float64") * weight).sum() for scores, weight in pairs))

    _, backprop = head(words, is_train=True)
    gradients = backprop(weights)
    for doc, word, i in [(0, 0, 0), (0, 2, 3), (2, 1, 5)]:
        up, down = [x.copy() for x in words], [x.copy() for x in words]
        up[doc][word, i] += 1e-2
        down[doc][word, i] -= 1e-2
        assert gradients[doc][word, i] == pytest.approx((total(up) - total(down)) / 2e-2, rel=2e-2, abs=1e-3)


@each_head
def test_new_labels_leave_the_scores_of_the_old_ones(kind: str) -> None:
    head, words = make_head(kind), make_words()
    before = head.predict(words)
    transitions = torch_head(head).crf.transitions.detach().clone()
    extend_labels(head, ["DATE", "NAME", "TIME"])
    after = head.predict(words)
    assert head.get_dim("nO") == 7
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new[:, :5], old, atol=1e-6)
    assert torch_head(head).crf.transitions[:5, :5].equal(transitions)
    assert torch_head(head).labels == ["DATE", "NAME", "TIME"]


@each_head
def test_dropout_is_that_of_training(kind: str) -> None:
    head, words = make_head(kind), make_words((40,))
    set_dropout_rate(head, 0.5)
    first, second = (head(words, is_train=True)[0][0] for _ in range(2))
    assert not np.allclose(first, second)
    assert np.array_equal(head.predict(words)[0], head.predict(words)[0])
    set_dropout_rate(head, 0.0)
    np.testing.assert_allclose(head(words, is_train=True)[0][0], head.predict(words)[0], atol=1e-6)


@each_head
def test_bytes_hold_weights_and_labels(kind: str) -> None:
    head, words = make_head(kind), make_words()
    copy = HEADS[kind]().from_bytes(head.to_bytes())
    for ours, theirs in zip(head.predict(words), copy.predict(words), strict=True):
        assert np.array_equal(ours, theirs)
    assert torch_head(copy).labels == ["DATE", "NAME"]
    assert copy.attrs["labels"] == ["DATE", "NAME"]


@each_head
def test_bytes_hold_the_temperature(kind: str) -> None:
    head = make_head(kind)
    assert torch_head(head).temperature == 1.0
    torch_head(head).temperature = 1.7
    assert torch_head(HEADS[kind]().from_bytes(head.to_bytes())).temperature == 1.7


@each_head
def test_bytes_from_before_there_was_a_temperature(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, words = make_head(kind), make_words()
    monkeypatch.setattr(TaggerHead, "spec", lambda self: {"width": self.width, "labels": self.labels})
    # loaded over one that has been calibrated
    other = make_head(kind)
    torch_head(other).temperature = 1.7
    other.from_bytes(head.to_bytes())
    assert torch_head(other).temperature == 1.0
    for ours, theirs in zip(head.predict(words), other.predict(words), strict=True):
        assert np.array_equal(ours, theirs)


@each_head
def test_new_labels_keep_the_temperature_and_fresh_weights_do_not(kind: str) -> None:
    head = make_head(kind)
    torch_head(head).temperature = 1.7
    extend_labels(head, ["DATE", "NAME", "TIME"])
    assert torch_head(head).temperature == 1.7
    head.initialize()
    assert torch_head(head).temperature == 1.0


def test_weights_of_a_linear_head_do_not_fit_a_bilstm() -> None:
    with pytest.raises(ValueError, match="do not fit this pipeline's config"):
        BiLSTMHead(5).from_bytes(make_head("linear").to_bytes())


def test_without_weights_it_says_to_train_or_load() -> None:
    with pytest.raises(ValueError, match=r"no weights yet. Train it"):
        LinearHead().predict([get_current_ops().alloc2f(1, WIDTH)])


@pytest.mark.parametrize("settings", [{"hidden": 0}, {"layers": 0}, {"hidden": -3}])
def test_a_bilstm_of_no_size_is_an_error(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        BiLSTMHead(**settings)
