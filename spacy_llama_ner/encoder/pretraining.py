"""`PretrainMaskedSubwords.v1`: an objective for `spacy pretrain`, by which a Llama gets used to seeing both sides.

Masked next-token prediction as in LLM2Vec (https://arxiv.org/abs/2404.05961).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import torch
import torch.nn.functional as F
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from torch import Tensor

from ..shim.torch_shim import TorchShim
from .architectures import plan_docs
from .batching import Batch, BatchPlan
from .modules import PackedDecoder

Pretrainer: TypeAlias = Model[list[Doc], Any]


def PretrainMaskedSubwords(share: float = 0.2) -> Callable[[Vocab, Model], Pretrainer]:
    """Build an objective that hides subwords of plain text, which the encoder has to predict.

    Only what the encoder trains, such as its adapter, learns.

    Args:
        share: Share of the subwords that are hidden (0.2 in LLM2Vec).

    Returns:
        A function that makes the objective for a `LlamaEncoder.v1`, as `[pretraining.objective]` wants it. It raises
        ValueError for another layer, and for an encoder of which nothing is trained.

    Raises:
        ValueError: If `share` is not between 0 and 1.
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
        attrs={"share": share, "loss": _get_loss},
    )


def forward(model: Pretrainer, docs: list[Doc], is_train: bool) -> tuple[Tensor, Callable[[None], list[Doc]]]:
    """Compute the loss on docs, a scalar; the callback sends its gradient into the encoder."""
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


def _get_loss(ops: Any, docs: list[Doc], loss: Tensor) -> tuple[float, None]:
    """Hand the loss on to `spacy pretrain`, which prints it; the gradient starts in the loss itself."""
    return loss.item(), None


def masked_loss(encoder: PackedDecoder, plan: BatchPlan, *, share: float) -> Tensor:
    """Hide subwords at random and compute how well the encoder predicts them.

    Args:
        encoder: The encoder.
        plan: Batches of windows.
        share: Share of the subwords that are hidden, the first one of each window left out. They are drawn from
            torch's random state.

    Returns:
        The mean cross-entropy of the hidden subwords, a scalar; 0 if there are none.
    """
    mask = mask_id(encoder)
    losses = [_hidden_losses(encoder, batch, share=share, mask=mask) for batch in plan.batches]
    return torch.cat([torch.zeros(0, device=encoder.device), *losses]).sum() / max(1, sum(map(len, losses)))


def _hidden_losses(encoder: PackedDecoder, batch: Batch, *, share: float, mask: int) -> Tensor:
    """The loss of each hidden subword, fp32 [n_hidden]."""
    starts = np.cumsum(batch.lengths) - batch.lengths
    hidden = torch.rand(len(batch.ids)).numpy() < share
    hidden[starts] = False
    places = np.flatnonzero(hidden)
    masked = batch._replace(ids=np.where(hidden, mask, batch.ids), read=places - 1)
    vectors = encoder.encode_batch(masked)
    embeddings = encoder.llama.get_input_embeddings().weight
    logits = F.linear(vectors.to(embeddings.dtype), embeddings).float()
    return F.cross_entropy(logits, torch.from_numpy(batch.ids[places]).to(logits.device), reduction="none")


def mask_id(encoder: PackedDecoder) -> int:
    """Return the subword that stands for a hidden one: an underscore, as in LLM2Vec, since decoders have no mask."""
    ids = encoder.tokenizer.encode("_", add_special_tokens=False).ids
    return int(ids[-1])
