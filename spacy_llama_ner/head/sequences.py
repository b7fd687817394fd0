"""Probabilities of whole tag sequences, and how unsure marginals are."""

from __future__ import annotations

import torch
from torch import Tensor
from torchcrf import CRF

from .batches import is_word
from .decode import Posterior, safe_log


def log_probability(posterior: Posterior, tags: Tensor, lengths: Tensor) -> Tensor:
    """Log-probability of one tag sequence for each doc, [n_docs].

    tags: int64 [n_docs, n_words]; entries behind a doc's end mean nothing.
    """
    first = safe_log(posterior.marginals[:, 0].gather(1, tags[:, :1])[:, 0])
    onward = safe_log(posterior.onward(tags[:, :-1], tags[:, 1:]))
    behind = ~is_word(lengths, tags.shape[1])[:, 1:]
    return first + onward.masked_fill(behind, 0.0).sum(dim=1)


def lead(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """By how much the score of the best tag sequence exceeds that of the second best, [n_docs].

    Viterbi with the two best ways to each tag (Seshadri and Sundberg 1994, list Viterbi decoding). Arguments as of
    `decode.viterbi`.
    """
    best = crf.start_transitions + emissions[:, 0]
    # [n_docs, 2, n_tags]: a single word has one way to each tag
    ways = torch.stack([best, torch.full_like(best, float("-inf"))], dim=1)
    for t in range(1, emissions.shape[1]):
        onward = (ways[:, :, :, None] + crf.transitions).flatten(1, 2).topk(2, dim=1).values
        inside = (t < lengths)[:, None, None]
        ways = torch.where(inside, onward + emissions[:, t, None], ways)
    two = (ways + crf.end_transitions).flatten(1).topk(2, dim=1).values
    return two[:, 0] - two[:, 1]


def entropy(probabilities: Tensor) -> Tensor:
    """Entropy over the last dimension, in nats."""
    return torch.special.entr(probabilities.clamp(min=0.0)).sum(dim=-1)


def word_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the words of each doc: [n_docs, n_words] to [n_docs]."""
    return values.masked_fill(~is_word(lengths, values.shape[1]), 0.0).sum(dim=1) / lengths
