"""How unsure a CRF is of whole docs: measures by which active learning chooses what a person is asked.

Each gives one number a doc, higher where more is to be learned, from the distribution at the head's temperature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from thinc.api import xp2torch
from thinc.types import Floats2d
from torch import Tensor

from .architectures import TaggerModel
from .crf import by_length, entropy, is_word, lead, log_probability, pad, posterior, span_scores, viterbi, word_mean
from .inference import get_head

if TYPE_CHECKING:
    from torchcrf import CRF

if TYPE_CHECKING:
    from .architectures import TaggerHead

# (crf, emissions fp32 [n_docs, n_words, n_tags], lengths int64 [n_docs], temperature) to [n_docs]
Measure = Callable[["CRF", Tensor, Tensor, float], Tensor]


def token_entropy(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Mean entropy of the words' marginals, in nats."""
    marginals = posterior(crf, emissions, lengths, temperature=temperature).marginals
    return word_mean(entropy(marginals), lengths)


def sequence_surprise(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """Negative log-probability of the best tag sequence, by the word, in nats."""
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    return -log_probability(distribution, tags, lengths) / lengths


def least_entity(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """1 less the probability of the least certain entity of the best tag sequence.

    Where that has no entity, it is the probability that there is one.
    """
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    begins = (tags % 2 == 1) & is_word(lengths, tags.shape[1])
    least = span_scores(distribution, tags, lengths).masked_fill(~begins, float("inf")).amin(dim=1)
    none = log_probability(distribution, torch.zeros_like(tags), lengths).exp()
    return 1 - torch.where(begins.any(dim=1), least, none)


def margin(crf: CRF, emissions: Tensor, lengths: Tensor, temperature: float) -> Tensor:
    """1 less what the best tag sequence is ahead of the second best, in probability."""
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    best = log_probability(distribution, tags, lengths).exp()
    return 1 + best * torch.expm1(-lead(crf, emissions, lengths) / temperature)


def measure(model: TaggerModel, emissions: list[Floats2d], by: Measure) -> list[float]:
    """One number for each doc; 0 for a doc without words.

    emissions: fp32 [n_words, n_tags] for each doc.
    """
    head = get_head(model)
    device = head.output.weight.device
    found = [0.0] * len(emissions)
    with torch.inference_mode():
        for group in by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores, lengths = pad([xp2torch(emissions[i], device=device) for i in group])
            _put(found, group, by(head.crf, scores, lengths, head.temperature))
    return found


def measure_disagreement(model: TaggerModel, words: list[Floats2d], *, passes: int, dropout: float) -> list[float]:
    """What passes with dropout in the head disagree about, a mean over the words, in nats; 0 without words.

    It is the entropy of the mean marginals less the mean of their entropies: the mutual information of a word's tag
    and the weights (Houlsby et al. 2011).

    words: vectors, fp32 [n_words, width] for each doc.
    passes: how many times the head reads them. dropout: share of their numbers that is left out each time.

    Draws from torch's random state: seed it to get the same numbers again.
    """
    head = get_head(model)
    found = [0.0] * len(words)
    lengths = [len(doc) for doc in words]
    was, head.dropout.p = (head.training, head.dropout.p), dropout
    head.train()
    try:
        with torch.inference_mode():
            flat = torch.cat([xp2torch(doc, device=head.output.weight.device) for doc in words])
            drawn = [head(flat, lengths).split(lengths) for _ in range(passes)]
            for group in by_length(lengths, n_tags=head.crf.num_tags):
                _put(found, group, _disagreement(head, [[each[i] for i in group] for each in drawn]))
    finally:
        head.train(was[0])
        head.dropout.p = was[1]
    return found


def _disagreement(head: TaggerHead, drawn: list[list[Tensor]]) -> Tensor:
    padded = [pad(emissions) for emissions in drawn]
    lengths = padded[0][1]
    marginals = torch.stack(
        [posterior(head.crf, scores, lengths, temperature=head.temperature).marginals for scores, _ in padded]
    )
    return word_mean(entropy(marginals.mean(dim=0)) - entropy(marginals).mean(dim=0), lengths)


def _put(found: list[float], group: list[int], values: Tensor) -> None:
    for index, value in zip(group, values.tolist(), strict=True):
        found[index] = value
