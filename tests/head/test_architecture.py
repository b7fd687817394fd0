"""One tagger over any tok2vec: each learns three examples by heart."""

from __future__ import annotations

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


def write_tiny_bert(folder: Path) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = sorted({word for text, _ in TEXTS for word in text.lower().split()})
    letters = [prefix + chr(code) for code in range(ord("a"), ord("z") + 1) for prefix in ("", "##")]
    folder.mkdir()
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, "3"]
    (folder / "vocab.txt").write_text("\n".join(vocab), encoding="utf8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_over_a_bert(tmp_path: Path) -> None:
    pytest.importorskip("spacy_transformers")
    nlp = spacy.blank("en")
    bert = {
        "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
        "name": str(write_tiny_bert(tmp_path / "bert")),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "tokenizer_config": {"use_fast": True},
        "pooling": {"@layers": "reduce_mean.v1"},
        "grad_factor": 1.0,
        "transformer_config": {},
        "mixed_precision": False,
    }
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": bert}})
    learn(nlp, learn_rate=0.003)


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
