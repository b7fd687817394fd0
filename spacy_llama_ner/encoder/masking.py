"""Masked next-token prediction: hide subwords, and find each from the vector in front of it.

A decoder has learnt to say at each place what comes next. Without the causal mask it sees the answer, so that what
comes next is hidden; see LLM2Vec (BehnamGhader et al. 2024, https://arxiv.org/abs/2404.05961), section 2.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batching import Batch, Plan
from .module import WordEncoder


def masked_loss(encoder: WordEncoder, plan: Plan, *, share: float) -> Tensor:
    """Cross-entropy of the hidden subwords of `plan`, their mean; 0 where it has none to hide.

    share: how many of the subwords are hidden, the first one of each window left out. They are drawn from torch's
        random state.
    """
    mask = mask_id(encoder)
    losses = [_hide(encoder, batch, share=share, mask=mask) for batch in plan.batches]
    return torch.cat([torch.zeros(0, device=encoder.device), *losses]).sum() / max(1, sum(map(len, losses)))


def mask_id(encoder: WordEncoder) -> int:
    """The subword that stands for a hidden one: an underscore, as in LLM2Vec, since decoders have no mask."""
    ids = encoder.tokenizer.encode("_", add_special_tokens=False).ids
    return int(ids[-1])


def _hide(encoder: WordEncoder, batch: Batch, *, share: float, mask: int) -> Tensor:
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
