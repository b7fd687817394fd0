"""`spacy_llama_ner.PretrainMaskedSubwords.v1`: an objective for `spacy pretrain`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..shim import TorchShim
from .architecture import plan_docs

if TYPE_CHECKING:
    from torch import Tensor

Pretrainer = Model[list[Doc], Any]


def PretrainMaskedSubwords(share: float = 0.2) -> Callable[[Vocab, Model], Pretrainer]:
    """Let a Llama get used to seeing both sides: it predicts hidden subwords of plain text.

    share: of the subwords, how many are hidden (LLM2Vec: 0.2).

    Only what the encoder trains, such as its adapter, learns; where that is nothing, it is a ValueError. Source:
    LLM2Vec's masked next-token prediction (https://arxiv.org/abs/2404.05961).
    """
    if not 0 < share < 1:
        raise ValueError(f"share = {share}; expected the share of subwords to hide, above 0 and below 1.")
    return partial(_make_pretrainer, share=share)


def _make_pretrainer(vocab: Vocab, tok2vec: Model, *, share: float) -> Pretrainer:
    if tok2vec.name != "llama_encoder":
        raise ValueError(
            f"PretrainMaskedSubwords.v1 pretrains a LlamaEncoder, but [pretraining] names a layer {tok2vec.name!r}. "
            "Set component and layer to where the encoder is, such as 'llama_ner' and 'tok2vec'."
        )
    if tok2vec.attrs["settings"].frozen:
        raise ValueError(
            "PretrainMaskedSubwords.v1 would train nothing: this encoder has lora = null and unfreeze_layers = 0. "
            "Set one of them, to what the training afterwards has."
        )
    return Model(
        "masked_subwords",
        forward,
        layers=[tok2vec],
        refs={"tok2vec": tok2vec},
        attrs={"share": share, "loss": get_loss},
    )


def get_loss(ops: Any, docs: list[Doc], loss: Tensor) -> tuple[float, None]:
    """What `spacy pretrain` shows; the gradient starts in the loss itself."""
    return loss.item(), None


def forward(model: Pretrainer, docs: list[Doc], is_train: bool) -> tuple[Tensor, Callable[[None], list[Doc]]]:
    """The loss on `docs`; the callback sends its gradient into the encoder."""
    import torch

    from .masking import masked_loss

    (tok2vec,) = model.layers
    encoder = cast(TorchShim, tok2vec.shims[0]).module
    encoder.train(is_train)
    with torch.set_grad_enabled(is_train):
        loss = masked_loss(encoder, plan_docs(tok2vec, docs), share=model.attrs["share"])

    def backprop(_: None) -> list[Doc]:
        if loss.requires_grad:
            loss.backward()
        return []

    return loss, backprop
