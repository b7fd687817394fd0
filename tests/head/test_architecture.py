"""One tagger over any tok2vec: each learns three examples by heart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from spacy_llama_ner.head import CRFTagger, LinearHead, TaggingLoss
from spacy_llama_ner.head.architecture import get_loss_settings
from spacy_llama_ner.head.layers import set_labels
from spacy_llama_ner.head.loss import Loss

from ..conftest import build_tiny_encoder
from ..pipeline.samples import learn_by_heart

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


@pytest.mark.parametrize(
    "head",
    [
        {"@architectures": "spacy_llama_ner.LinearHead.v1", "learn_rate_factor": 1.0},
        {"@architectures": "spacy_llama_ner.BiLSTMHead.v1", "hidden": 16, "learn_rate_factor": 1.0},
    ],
)
def test_over_a_convolutional_embedding(head: dict[str, Any]) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": EMBED, "head": head}})
    learn(nlp)


def test_over_a_listener_to_a_shared_tok2vec() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": EMBED})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": listener}})
    assert nlp.get_pipe("tok2vec").listening_components == ["llama_ner"]
    losses = learn(nlp)
    # what the shared layer reports is the size of the gradients that reached it
    assert losses["tok2vec"] > 0


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_over_a_bert_by_spacy_transformers(tiny_bert: Path, tmp_path: Path) -> None:
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
def test_over_an_encoder_with_lora(tmp_path: Path, kind: str) -> None:
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
    assert get_loss_settings(ner.model) == Loss(0.5, 2.0, 0.0, {"NAME": 3.0})
