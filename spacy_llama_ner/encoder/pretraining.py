"""`spacy_llama_ner.PretrainMaskedSubwords.v1`: an objective for `spacy pretrain`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

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


def masked_loss(encoder: PackedDecoder, plan: BatchPlan, *, share: float) -> Tensor:
    """Cross-entropy of the hidden subwords of `plan`, their mean; 0 where it has none to hide.

    share: how many of the subwords are hidden, the first one of each window left out. They are drawn from torch's
        random state.
    """
    mask = mask_id(encoder)
    losses = [_hide(encoder, batch, share=share, mask=mask) for batch in plan.batches]
    return torch.cat([torch.zeros(0, device=encoder.device), *losses]).sum() / max(1, sum(map(len, losses)))


def mask_id(encoder: PackedDecoder) -> int:
    """The subword that stands for a hidden one: an underscore, as in LLM2Vec, since decoders have no mask."""
    ids = encoder.tokenizer.encode("_", add_special_tokens=False).ids
    return int(ids[-1])


def _hide(encoder: PackedDecoder, batch: Batch, *, share: float, mask: int) -> Tensor:
    """The loss of each hidden subword, fp32 [n_hidden]."""
    starts = np.cumsum(batch.lengths) - batch.lengths
    hidden = torch.rand(len(batch.ids)).numpy() < share
    hidden[starts] = False
    places = np.flatnonzero(hidden)
    masked = batch._replace(ids=np.where(hidden, mask, batch.ids), read=places - 1)
    vectors = encoder.read(masked)
    embeddings = encoder.llama.get_input_embeddings().weight
    logits = F.linear(vectors.to(embeddings.dtype), embeddings).float()
    return F.cross_entropy(logits, torch.from_numpy(batch.ids[places]).to(logits.device), reduction="none")


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
