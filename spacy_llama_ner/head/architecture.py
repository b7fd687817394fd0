"""`spacy_llama_ner.CRFTagger.v1`: any tok2vec under a CRF head, and the loss that trains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, cast

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .layers import HeadModel

if TYPE_CHECKING:
    from .loss import Loss

TaggerModel = Model[list[Doc], list[Floats2d]]


def TaggingLoss(
    crf: float = 1.0,
    cross_entropy: float = 0.0,
    label_smoothing: float = 0.0,
    label_weights: dict[str, float] | None = None,
    missing: Literal["sum", "split"] = "sum",
) -> Callable[..., object]:
    """A weighted sum of three terms, each summed over the words with a known tag and divided by their number.

    crf: weight of the CRF's negative log-likelihood. With 0 the transitions stay 0, and decoding is a softmax
        that cannot give an illegal sequence.
    cross_entropy: weight of the cross-entropy of each word's emissions.
    label_smoothing: weight of the cross-entropy against the uniform distribution.
    label_weights: multiplies the word-wise terms of words whose gold label (or "O") is named; others count 1.
    missing: what the CRF's term does with words whose tag is not known. "sum" leaves all their tags open (a
        partial-label CRF, `head.partial`), "split" cuts the doc there and takes the parts as docs of their own.
    """
    from .loss import Loss

    return Loss(crf, cross_entropy, label_smoothing, label_weights or {}, missing)


def CRFTagger(tok2vec: Model[list[Doc], list[Floats2d]], head: HeadModel, loss: Callable[..., object]) -> TaggerModel:
    """Emissions of BIO tags for each word.

    tok2vec: any layer from docs to word vectors: the Llama, a listener, a HashEmbedCNN, a BERT.
    head: `LinearHead.v1` or `BiLSTMHead.v1`, which hold the CRF too.
    loss: `TaggingLoss.v1`.

    Gives fp32 [n_words, n_tags] for each doc. `head.tagging` decodes them and computes the loss.
    """
    model: TaggerModel = Model(
        "crf_tagger",
        forward,
        init=init,
        layers=[tok2vec, head],
        refs={"tok2vec": tok2vec, "head": head},
        attrs={"loss": loss},
    )
    return model


def init(model: TaggerModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Initialize the tok2vec, then the head for vectors of its width."""
    tok2vec, head = model.layers
    tok2vec.initialize(X=X)
    width = tok2vec.maybe_get_dim("nO")
    if width is None:
        if not X:
            raise ValueError(
                "The width of this tok2vec's vectors is not known before it has seen a text. "
                "Initialize the component with examples: nlp.initialize(get_examples)."
            )
        width = tok2vec.predict(X)[0].shape[1]
    head.set_dim("nI", width, force=True)
    head.initialize()


def forward(
    model: TaggerModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Word vectors, then emissions."""
    tok2vec, head = model.layers
    words, backprop_words = tok2vec(docs, is_train)
    emissions, backprop_head = head(words, is_train)

    def backprop(d_emissions: list[Floats2d]) -> list[Doc]:
        return cast(list[Doc], backprop_words(backprop_head(d_emissions)))

    return emissions, backprop


def get_loss_settings(model: TaggerModel) -> Loss:
    """The loss that the config gave this tagger."""
    return cast("Loss", model.attrs["loss"])
