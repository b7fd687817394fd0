"""`spacy_llama_ner.CRFTagger.v1`: any tok2vec under a CRF head, and the loss that trains it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import torch
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor, nn

from ..shim.torch_shim import TorchShim, split_rows
from .bio import count_tags
from .crf import is_word, make_crf, pad

if TYPE_CHECKING:
    from .loss import LossSettings


class Shape(NamedTuple):
    """kind: what stands between word vectors and emissions; hidden and layers are read for a BiLSTM."""

    kind: Literal["linear", "bilstm"]
    hidden: int = 0
    layers: int = 0


class TaggerHead(nn.Module):
    """Dropout, an optional BiLSTM (Huang et al. 2015), a linear layer, and a CRF.

    width: size of the word vectors. labels: entity labels, in the order of the tags (`head.scheme`).
    temperature: what the CRF's scores are divided by where probabilities of entities are asked for. Neither the best
        tags nor the loss depend on it.
    """

    def __init__(self, shape: Shape, *, width: int, labels: list[str], temperature: float = 1.0) -> None:
        super().__init__()
        self.labels = labels
        self.width = width
        self.temperature = temperature
        self.dropout = nn.Dropout(0.0)
        self.lstm = (
            nn.LSTM(width, shape.hidden, num_layers=shape.layers, bidirectional=True, batch_first=True)
            if shape.kind == "bilstm"
            else None
        )
        self.output = nn.Linear(2 * shape.hidden if self.lstm else width, count_tags(len(labels)))
        self.crf = make_crf(count_tags(len(labels)))

    def spec(self) -> dict[str, Any]:
        """What it takes to build an untrained copy."""
        return {"width": self.width, "labels": self.labels, "temperature": self.temperature}

    def forward(self, words: Tensor, lengths: list[int]) -> Tensor:
        """Emissions [n_words, n_tags] of word vectors [n_words, width]; `lengths` are the words of each doc."""
        words = self.dropout(words)
        if self.lstm is not None:
            words = self.dropout(self._read_both_ways(words, lengths))
        return self.output(words)

    def _read_both_ways(self, words: Tensor, lengths: list[int]) -> Tensor:
        assert self.lstm is not None
        if not len(words):
            return words[:, :1].expand(0, 2 * self.lstm.hidden_size)
        padded, sizes = pad([doc for doc in words.split(lengths) if len(doc)])
        packed = nn.utils.rnn.pack_padded_sequence(padded, sizes.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return hidden[is_word(sizes, hidden.shape[1])]

    def extended(self, shape: Shape, labels: list[str]) -> TaggerHead:
        """A copy with more labels behind the present ones, whose emissions stay what they are."""
        bigger = TaggerHead(shape, width=self.width, labels=labels, temperature=self.temperature)
        bigger.to(self.output.weight.device)
        with torch.no_grad():
            for name, target in bigger.named_parameters():
                source = self.get_parameter(name)
                target[tuple(slice(size) for size in source.shape)] = source
        return bigger


HeadModel = Model[list[Floats2d], list[Floats2d]]


def LinearHead(learn_rate_factor: float = 10.0) -> HeadModel:
    """One linear layer from word vectors to tags, and a CRF over them.

    learn_rate_factor: the head starts from nothing and learns faster than the pretrained Llama: its learning rate
        is this multiple of `[training.optimizer]`'s.

    Dropout on the word vectors follows `[training] dropout`.
    """
    return _make_head(("linear", 0, 0), learn_rate_factor)


def BiLSTMHead(hidden: int = 200, layers: int = 1, learn_rate_factor: float = 10.0) -> HeadModel:
    """A bidirectional LSTM under the linear layer and the CRF.

    hidden: size of each direction. layers: how many LSTMs are stacked. Everything else as in `LinearHead.v1`.
    """
    if hidden < 1 or layers < 1:
        raise ValueError(f"BiLSTMHead got hidden = {hidden} and layers = {layers}; expected 1 or more of each.")
    return _make_head(("bilstm", hidden, layers), learn_rate_factor)


def _make_head(shape: tuple[str, int, int], learn_rate_factor: float) -> HeadModel:
    return Model(
        "tagger_head",
        forward_head,
        init=init_head,
        dims={"nI": None, "nO": None},
        attrs={"shape": shape, "labels": [], "dropout_rate": 0.0},
        shims=[TorchShim(partial(_build, shape), learn_rate_factor=learn_rate_factor)],
    )


def _build(shape: tuple[Any, int, int], spec: dict[str, Any]) -> Any:

    # pipelines of the first versions were saved without a temperature
    temperature = spec.get("temperature", 1.0)
    return TaggerHead(Shape(*shape), width=spec["width"], labels=spec["labels"], temperature=temperature)


def init_head(model: HeadModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Fresh weights for the labels in `model.attrs["labels"]`, at temperature 1."""
    shim = cast(TorchShim, model.shims[0])
    spec = {"width": model.get_dim("nI"), "labels": model.attrs["labels"]}
    shim.set_module(_build(model.attrs["shape"], spec))


def has_weights(tagger: Model) -> bool:
    """Whether the head of a `CRFTagger` has been initialized or loaded."""
    return cast(TorchShim, tagger.get_ref("head").shims[0]).has_module


def set_labels(model: HeadModel, labels: list[str]) -> None:
    """Tell a head that has not been initialized yet, or is about to be again, what its labels are."""
    model.attrs["labels"] = list(labels)
    model.set_dim("nO", count_tags(len(labels)), force=True)


def extend_labels(model: HeadModel, labels: list[str]) -> None:
    """Give an initialized head new labels. `labels` starts with those it has, whose emissions stay what they are."""
    shim = cast(TorchShim, model.shims[0])
    shim.set_module(shim.module.extended(Shape(*model.attrs["shape"]), list(labels)))
    set_labels(model, labels)


def forward_head(
    model: HeadModel, words: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Emissions, fp32 [n_words, n_tags] for each doc."""
    shim = cast(TorchShim, model.shims[0])
    shim.module.dropout.p = model.attrs["dropout_rate"]
    lengths = [len(doc) for doc in words]
    X = xp2torch(model.ops.xp.concatenate(words), requires_grad=is_train, device=shim.device)
    Y, backprop_torch = shim(ArgsKwargs((X, lengths), {}), is_train)

    def backprop(d_emissions: list[Floats2d]) -> list[Floats2d]:
        dY = xp2torch(model.ops.xp.concatenate(d_emissions), device=shim.device)
        backprop_torch(ArgsKwargs(((Y,),), {"grad_tensors": (dY,)}))
        return split_rows(cast(Floats2d, torch2xp(cast("Tensor", X.grad))), lengths)

    return split_rows(cast(Floats2d, torch2xp(Y.detach())), lengths), backprop


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
    from .loss import LossSettings

    return LossSettings(crf, cross_entropy, label_smoothing, label_weights or {}, missing)


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


def get_loss_settings(model: TaggerModel) -> LossSettings:
    """The loss that the config gave this tagger."""
    return cast("LossSettings", model.attrs["loss"])
