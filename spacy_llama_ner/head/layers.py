"""The heads as thinc layers: `LinearHead.v1` and `BiLSTMHead.v1`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from thinc.api import ArgsKwargs, Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..arrays import split_rows
from ..shim import TorchShim
from .scheme import count_tags

if TYPE_CHECKING:
    from torch import Tensor

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
        forward,
        init=init,
        dims={"nI": None, "nO": None},
        attrs={"shape": shape, "labels": [], "dropout_rate": 0.0},
        shims=[TorchShim(partial(_build, shape), learn_rate_factor=learn_rate_factor)],
    )


def _build(shape: tuple[Any, int, int], spec: dict[str, Any]) -> Any:
    from .module import Shape, TaggerHead

    # pipelines of the first versions were saved without a temperature
    temperature = spec.get("temperature", 1.0)
    return TaggerHead(Shape(*shape), width=spec["width"], labels=spec["labels"], temperature=temperature)


def init(model: HeadModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
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
    from .module import Shape

    shim = cast(TorchShim, model.shims[0])
    shim.set_module(shim.module.extended(Shape(*model.attrs["shape"]), list(labels)))
    set_labels(model, labels)


def forward(
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
