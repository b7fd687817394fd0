"""How uncertain a CRF is of whole docs: measures by which active learning chooses the docs that a person labels.

Each gives one number a doc, higher where more is to be learned, from the distribution at the head's temperature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from thinc.api import xp2torch
from thinc.types import Floats2d
from torch import Tensor

from .architectures import TaggerModel, get_head
from .crf import (
    entropy,
    group_by_length,
    log_probability,
    pad,
    posterior,
    span_scores,
    viterbi,
    viterbi_margin,
    word_mask,
    word_mean,
)

if TYPE_CHECKING:
    from torchcrf import CRF

    from .architectures import TaggerHead

# (crf, emissions fp32 [n_docs, n_words, n_tags], lengths int64 [n_docs], temperature) to [n_docs]
Measure = Callable[["CRF", Tensor, Tensor, float], Tensor]


def measure_uncertainty(model: TaggerModel, emissions: list[Floats2d], measure: Measure) -> list[float]:
    """Apply a measure to docs.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.
        measure: One of the measures below.

    Returns:
        One number for each doc; 0 for a doc without words.
    """
    head = get_head(model)
    device = head.output.weight.device
    found = [0.0] * len(emissions)
    with torch.inference_mode():
        for group in group_by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores, lengths = pad([xp2torch(emissions[i], device=device) for i in group])
            values = measure(head.crf, scores, lengths, head.temperature)
            for index, value in zip(group, values.tolist(), strict=True):
                found[index] = value
    return found


def token_entropy(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Compute the mean entropy of the words' marginals, in nats."""
    marginals = posterior(crf, emissions, lengths, temperature=temperature).marginals
    return word_mean(entropy(marginals), lengths)


def mnlp(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Compute the negative log-probability of the best tag sequence, divided by the number of words, in nats.

    It is maximum normalized log-probability (Shen et al. 2017, https://arxiv.org/abs/1707.05928) with the sign
    turned.
    """
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    return -log_probability(distribution, tags, lengths) / lengths


def least_entity(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Compute 1 less the probability of the least certain entity of the best tag sequence.

    Where that has no entity, it is the probability that there is one.
    """
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    begins = (tags % 2 == 1) & word_mask(lengths, tags.shape[1])
    least = span_scores(distribution, tags, lengths).masked_fill(~begins, float("inf")).amin(dim=1)
    none = log_probability(distribution, torch.zeros_like(tags), lengths).exp()
    return 1 - torch.where(begins.any(dim=1), least, none)


def margin(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Compute 1 less the difference in probability between the best and the second best tag sequence."""
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    best = log_probability(distribution, tags, lengths).exp()
    return 1 + best * torch.expm1(-viterbi_margin(crf, emissions, lengths) / temperature)


def measure_disagreement(model: TaggerModel, words: list[Floats2d], *, passes: int, dropout: float) -> list[float]:
    """Compute how much passes with dropout in the head disagree.

    It is the entropy of the mean marginals less the mean of their entropies: the mutual information of a word's tag
    and the weights (Houlsby et al. 2011). It draws from torch's random state; seed that to get the same numbers
    again.

    Args:
        model: A `CRFTagger`.
        words: Word vectors of the docs, fp32 [n_words, width] each.
        passes: How many times the head runs.
        dropout: Share of the vectors' numbers that is dropped each time.

    Returns:
        The mean over the words of each doc, in nats; 0 for a doc without words.
    """
    head = get_head(model)
    found = [0.0] * len(words)
    lengths = [len(doc) for doc in words]
    before, head.dropout.p = (head.training, head.dropout.p), dropout
    head.train()
    try:
        with torch.inference_mode():
            flat = torch.cat([xp2torch(doc, device=head.output.weight.device) for doc in words])
            drawn = [head(flat, lengths).split(lengths) for _ in range(passes)]
            for group in group_by_length(lengths, n_tags=head.crf.num_tags):
                values = _disagreement(head, [[emissions[i] for i in group] for emissions in drawn])
                for index, value in zip(group, values.tolist(), strict=True):
                    found[index] = value
    finally:
        head.train(before[0])
        head.dropout.p = before[1]
    return found


def _disagreement(head: TaggerHead, drawn: list[list[Tensor]]) -> Tensor:
    padded = [pad(emissions) for emissions in drawn]
    lengths = padded[0][1]
    marginals = torch.stack(
        [posterior(head.crf, scores, lengths, temperature=head.temperature).marginals for scores, _ in padded]
    )
    return word_mean(entropy(marginals.mean(dim=0)) - entropy(marginals).mean(dim=0), lengths)
