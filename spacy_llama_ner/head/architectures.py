"""`CRFTagger.v1`, any tok2vec under a head with a CRF, and its heads `LinearHead.v1` and `BiLSTMHead.v1`.

The tagger is two thinc layers, one after the other. That of the head holds a torch module, `TaggerHead`, whose CRF
the forward pass does not use: `head.inference` computes losses and entities from the emissions with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import torch
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor, nn

from ..shim.torch_shim import TorchShim, split_rows
from .bio import count_tags
from .crf import make_crf, pad, word_mask
from .loss import TaggingLoss

TaggerModel: TypeAlias = Model[list[Doc], list[Floats2d]]
HeadModel: TypeAlias = Model[list[Floats2d], list[Floats2d]]


def CRFTagger(tok2vec: Model[list[Doc], list[Floats2d]], head: HeadModel, loss: TaggingLoss) -> TaggerModel:
    """Build a tagger that gives emissions of BIO tags for each word.

    Args:
        tok2vec: Any layer from docs to word vectors: a Llama, a listener, a HashEmbedCNN, a BERT.
        head: `LinearHead.v1` or `BiLSTMHead.v1`, which hold the CRF too.
        loss: `TaggingLoss.v1`.

    Returns:
        A model that gives fp32 [n_words, n_tags] for each doc.
    """
    return Model(
        "crf_tagger",
        forward_tagger,
        init=init_tagger,
        layers=[tok2vec, head],
        refs={"tok2vec": tok2vec, "head": head},
        attrs={"loss": loss},
    )


def init_tagger(model: TaggerModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
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


def forward_tagger(
    model: TaggerModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Compute word vectors, and from them emissions, fp32 [n_words, n_tags] for each doc."""
    tok2vec, head = model.layers
    words, backprop_words = tok2vec(docs, is_train)
    emissions, backprop_head = head(words, is_train)

    def backprop(d_emissions: list[Floats2d]) -> list[Doc]:
        return cast(list[Doc], backprop_words(backprop_head(d_emissions)))

    return emissions, backprop


def LinearHead(learn_rate_factor: float = 10.0) -> HeadModel:
    """Build a head of one linear layer from word vectors to tags, and a CRF over them.

    Dropout on the word vectors follows `[training] dropout`.

    Args:
        learn_rate_factor: The head's learning rate as a multiple of `[training.optimizer]`'s. It starts from nothing,
            and learns faster than a pretrained encoder.

    Returns:
        A layer from word vectors [n_words, width] to emissions [n_words, n_tags] of each doc.
    """
    return _make_head(("linear", 0, 0), learn_rate_factor)


def BiLSTMHead(hidden: int = 200, layers: int = 1, learn_rate_factor: float = 10.0) -> HeadModel:
    """Build a head of a bidirectional LSTM, a linear layer and a CRF (Huang et al. 2015).

    Dropout on the word vectors, and on what the LSTM gives, follows `[training] dropout`.

    Args:
        hidden: Size of each direction.
        layers: How many LSTMs are stacked.
        learn_rate_factor: The head's learning rate as a multiple of `[training.optimizer]`'s.

    Returns:
        A layer from word vectors [n_words, width] to emissions [n_words, n_tags] of each doc.

    Raises:
        ValueError: If `hidden` or `layers` is below 1.
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
        shims=[TorchShim(partial(_build_head, shape), learn_rate_factor=learn_rate_factor)],
    )


def init_head(model: HeadModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Make fresh weights for the labels in `model.attrs["labels"]`, at temperature 1."""
    spec = {"width": model.get_dim("nI"), "labels": model.attrs["labels"]}
    _shim(model).set_module(_build_head(model.attrs["shape"], spec))


def _build_head(shape: tuple[Any, int, int], spec: dict[str, Any]) -> TaggerHead:
    # pipelines of the first versions were saved without a temperature
    temperature = spec.get("temperature", 1.0)
    return TaggerHead(HeadShape(*shape), width=spec["width"], labels=spec["labels"], temperature=temperature)


def forward_head(
    model: HeadModel, words: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Compute emissions, fp32 [n_words, n_tags] for each doc, of word vectors [n_words, width]."""
    shim = _shim(model)
    shim.module.dropout.p = model.attrs["dropout_rate"]
    lengths = [len(doc) for doc in words]
    X = xp2torch(model.ops.xp.concatenate(words), requires_grad=is_train, device=shim.device)
    Y, backprop_torch = shim(ArgsKwargs((X, lengths), {}), is_train)

    def backprop(d_emissions: list[Floats2d]) -> list[Floats2d]:
        dY = xp2torch(model.ops.xp.concatenate(d_emissions), device=shim.device)
        backprop_torch(ArgsKwargs(((Y,),), {"grad_tensors": (dY,)}))
        return split_rows(cast(Floats2d, torch2xp(cast(Tensor, X.grad))), lengths)

    return split_rows(cast(Floats2d, torch2xp(Y.detach())), lengths), backprop


def set_labels(model: HeadModel, labels: list[str]) -> None:
    """Set the labels of a head that is going to be initialized.

    Args:
        model: The head; if it has weights already, they do not fit until it is initialized again.
        labels: Entity labels, in the order of the tags.
    """
    model.attrs["labels"] = list(labels)
    model.set_dim("nO", count_tags(len(labels)), force=True)


def extend_labels(model: HeadModel, labels: list[str]) -> None:
    """Add labels to a head that has weights; the emissions of the old ones stay as they are.

    Args:
        model: The head.
        labels: All labels: those that the head has, then the new ones.
    """
    shim = _shim(model)
    shim.set_module(shim.module.extended(HeadShape(*model.attrs["shape"]), list(labels)))
    set_labels(model, labels)


def has_weights(tagger: TaggerModel) -> bool:
    """Return whether the head of a `CRFTagger` has been initialized or loaded."""
    return _shim(tagger.get_ref("head")).has_module


def get_head(tagger: TaggerModel) -> TaggerHead:
    """Return the torch module of a tagger's head."""
    return _shim(tagger.get_ref("head")).module


def get_tagging_loss(tagger: TaggerModel) -> TaggingLoss:
    """Return the loss that the config gave a tagger."""
    return cast(TaggingLoss, tagger.attrs["loss"])


def _shim(head: HeadModel) -> TorchShim[TaggerHead]:
    return cast("TorchShim[TaggerHead]", head.shims[0])


class HeadShape(NamedTuple):
    """What stands between word vectors and emissions.

    Attributes:
        kind: "linear", or "bilstm" for an LSTM under the linear layer.
        hidden: Size of each direction of the LSTM.
        layers: How many LSTMs are stacked.
    """

    kind: Literal["linear", "bilstm"]
    hidden: int = 0
    layers: int = 0


class TaggerHead(nn.Module):
    """Dropout, an optional BiLSTM (Huang et al. 2015), a linear layer, and a CRF.

    Args:
        shape: What stands between word vectors and emissions.
        width: Size of the word vectors.
        labels: Entity labels, in the order of the tags (see `head.bio`).
        temperature: What the CRF's scores are divided by for the probabilities of entities. Neither the best tags nor
            the loss depend on it.
    """

    def __init__(self, shape: HeadShape, *, width: int, labels: list[str], temperature: float = 1.0) -> None:
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
        """What an untrained copy is built from."""
        return {"width": self.width, "labels": self.labels, "temperature": self.temperature}

    def forward(self, words: Tensor, lengths: list[int]) -> Tensor:
        """Compute emissions.

        Args:
            words: Word vectors of all docs, one after the other, fp32 [n_words, width].
            lengths: Number of words of each doc.

        Returns:
            Emissions, fp32 [n_words, n_tags].
        """
        words = self.dropout(words)
        if self.lstm is not None:
            words = self.dropout(self._run_lstm(self.lstm, words, lengths))
        return self.output(words)

    def _run_lstm(self, lstm: nn.LSTM, words: Tensor, lengths: list[int]) -> Tensor:
        if not len(words):
            return words[:, :1].expand(0, 2 * lstm.hidden_size)
        padded, sizes = pad([doc for doc in words.split(lengths) if len(doc)])
        packed = nn.utils.rnn.pack_padded_sequence(padded, sizes.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)
        return hidden[word_mask(sizes, hidden.shape[1])]

    def extended(self, shape: HeadShape, labels: list[str]) -> TaggerHead:
        """Make a copy with more labels behind the present ones, whose emissions stay what they are.

        Args:
            shape: That of this head.
            labels: All labels: the present ones, then the new ones.

        Returns:
            The copy.
        """
        bigger = TaggerHead(shape, width=self.width, labels=labels, temperature=self.temperature)
        bigger.to(self.output.weight.device)
        with torch.no_grad():
            for name, target in bigger.named_parameters():
                source = self.get_parameter(name)
                target[tuple(slice(size) for size in source.shape)] = source
        return bigger
