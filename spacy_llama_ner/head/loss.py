"""What training minimizes: a weighted sum of likelihoods, per known word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from .bio import CLOSED, is_inside
from .crf import is_word, pad

if TYPE_CHECKING:
    from torchcrf import CRF

# The score of a tag that does not agree. Finite, since the gradient of a sum over nothing but -inf is no number; far
# below any real score, so that its probability is 0.
EXCLUDED = -1e30


def partial_loss(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor]) -> Tensor:
    """Negative log-likelihood of what is known of each doc, summed.

    emissions: fp32 [n_words, n_tags] for each doc, of one word or more. tags: int64 [n_words]; below 0 (`MISSING`,
        `CLOSED`) they are not known.
    """
    free, lengths = pad(list(emissions))
    allowed, _ = pad([allowed_tags(doc, crf.num_tags) for doc in tags], value=True)
    scores = torch.cat([free, free.masked_fill(~allowed, EXCLUDED)])
    everything, known = log_partition(crf, scores, lengths.repeat(2)).chunk(2)
    return (everything - known).sum()


def allowed_tags(tags: Tensor, n_tags: int) -> Tensor:
    """Which tags agree with what is known of each word: bool [n_words, n_tags] for int64 [n_words]."""
    allowed = (tags < 0)[:, None].expand(-1, n_tags) | torch.nn.functional.one_hot(tags.clamp(min=0), n_tags).bool()
    inside = torch.from_numpy(is_inside(n_tags)).to(tags.device)
    return allowed & ~((tags == CLOSED)[:, None] & inside)


def log_partition(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """The logarithm of the summed scores of all tag sequences, [n_docs].

    emissions: fp32 [n_docs, n_words, n_tags], padded on the right. lengths: int64 [n_docs], each at least 1.
    """
    transitions = crf.transitions
    score = crf.start_transitions + emissions[:, 0]
    for t in range(1, emissions.shape[1]):
        onward = (score[:, :, None] + transitions).logsumexp(dim=1) + emissions[:, t]
        score = torch.where((t < lengths)[:, None], onward, score)
    return (score + crf.end_transitions).logsumexp(dim=1)


Missing = Literal["sum", "split"]


@dataclass(frozen=True)
class LossSettings:
    """The arguments of `TaggingLoss.v1`; see there."""

    crf: float = 1.0
    cross_entropy: float = 0.0
    label_smoothing: float = 0.0
    label_weights: dict[str, float] = field(default_factory=dict)
    missing: Missing = "sum"

    def __post_init__(self) -> None:
        weights = [self.crf, self.cross_entropy, self.label_smoothing, *self.label_weights.values()]
        if min(weights) < 0 or self.crf + self.cross_entropy == 0:
            raise ValueError(
                f"{self} teaches nothing. Expected weights of 0 or more, of which crf or cross_entropy is above 0."
            )
        if self.label_weights and self.cross_entropy + self.label_smoothing == 0:
            raise ValueError(
                f"label_weights {self.label_weights} change nothing here: they multiply the terms of single words, "
                "and crf alone has a weight. Give cross_entropy one (0.5, say), or set label_weights = null."
            )
        if self.missing not in get_args(Missing):
            raise ValueError(f"missing is {self.missing!r}; expected one of {', '.join(get_args(Missing))}.")

    def tag_weights(self, labels: Sequence[str]) -> list[float]:
        """One weight a tag. Raises ValueError on a label that the component does not have."""
        if unknown := set(self.label_weights) - {"O", *labels}:
            raise ValueError(
                f"label_weights names {sorted(unknown)}, which are not labels of this component. "
                f"Its labels are {sorted(labels)}, and 'O' for words outside of entities."
            )
        outside = self.label_weights.get("O", 1.0)
        return [outside, *(self.label_weights.get(label, 1.0) for label in labels for _ in "BI")]

    def __call__(self, crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor], labels: list[str]) -> Tensor:
        """The loss, a scalar: the sum over all words with a known tag, divided by their number.

        emissions: fp32 [n_words, n_tags] for each doc; tags: int64 [n_words], below 0 where the tag is not known.
        """
        scores, gold = torch.cat(list(emissions)), torch.cat(list(tags))
        known = gold >= 0
        n_known = int(known.sum())
        if not n_known:
            return scores.sum() * 0.0
        total = scores.new_zeros(())
        if self.crf:
            total = total + self.crf * crf_loss(crf, emissions, tags, missing=self.missing)
        if self.cross_entropy or self.label_smoothing:
            total = total + self._word_loss(scores[known], gold[known], labels)
        return total / n_known

    def _word_loss(self, scores: Tensor, gold: Tensor, labels: list[str]) -> Tensor:
        """Cross-entropy, and its smoothing term (the same against the uniform distribution; Szegedy et al. 2016)."""
        weights = torch.tensor(self.tag_weights(labels), device=scores.device)[gold]
        log_p = F.log_softmax(scores, dim=1)
        surprise = -log_p.gather(1, gold[:, None])[:, 0]
        return (weights * (self.cross_entropy * surprise - self.label_smoothing * log_p.mean(dim=1))).sum()


def crf_loss(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor], *, missing: Missing = "sum") -> Tensor:
    """Negative log-likelihood of the known tags of each doc, summed; at least one word must be known.

    emissions, tags: as of `LossSettings`; missing: as of `TaggingLoss.v1`. Docs that are known as a whole are
    computed the same way, whatever `missing` is.
    """
    stretches, partly = [], []
    for scores, gold in zip(emissions, tags, strict=True):
        known = known_stretches(gold)
        if missing == "sum" and known and known != [(0, len(gold))]:
            partly.append((scores, gold))
        else:
            stretches += [(scores[start:end], gold[start:end]) for start, end in known]
    total = emissions[0].new_zeros(())
    if stretches:
        scores, lengths = pad([scores for scores, _ in stretches])
        gold, _ = pad([gold for _, gold in stretches])
        total = total - crf(scores, gold, mask=is_word(lengths, scores.shape[1]), reduction="sum")
    if partly:
        total = total + partial_loss(crf, [scores for scores, _ in partly], [gold for _, gold in partly])
    return total


def known_stretches(tags: Tensor) -> list[tuple[int, int]]:
    """Maximal ranges of words whose tag is known."""
    known = torch.cat([tags.new_zeros(1), (tags >= 0).long(), tags.new_zeros(1)])
    edges = known.diff().nonzero()[:, 0].tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
