"""Probabilities of whole tag sequences, and how unsure marginals are."""

from __future__ import annotations

import torch
from torch import Tensor
from torchcrf import CRF

from .decode import Posterior


def log_probability(posterior: Posterior, tags: Tensor, lengths: Tensor) -> Tensor:
    """Log-probability of one tag sequence for each doc, [n_docs].

    tags: int64 [n_docs, n_words]; entries behind a doc's end mean nothing.
    """
    first = _log(posterior.marginals[:, 0].gather(1, tags[:, :1])[:, 0])
    n_steps = posterior.steps.shape[1]
    if not n_steps:
        return first
    leaving = posterior.steps.gather(2, tags[:, :-1, None, None].expand(-1, -1, 1, posterior.steps.shape[3]))
    onward = _log(leaving[:, :, 0].gather(2, tags[:, 1:, None])[:, :, 0])
    behind = torch.arange(1, n_steps + 1, device=tags.device) >= lengths[:, None]
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


def is_word(lengths: Tensor, n_words: int) -> Tensor:
    """bool [n_docs, n_words]: not behind the doc's end."""
    return torch.arange(n_words, device=lengths.device) < lengths[:, None]


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
