"""`TaggingLoss.v1`: a weighted sum of the CRF's negative log-likelihood and terms of single words.

Words whose tag is not known take no part in the terms of single words; `crf_loss` sums over their tags, or leaves
them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.errors import LlamaNERError
from .bio import NOT_INSIDE, is_inside
from .crf import pad, word_mask

if TYPE_CHECKING:
    from torchcrf import CRF

Missing = Literal["sum", "split"]

# The score of a tag that does not agree with what is known. Finite, since the gradient of a sum over nothing but -inf
# is no number; far below any real score, so that its probability is 0.
EXCLUDED = -1e30


@dataclass(frozen=True)
class TaggingLoss:
    """A weighted sum of three terms, each summed over the words with a known tag and divided by their number.

    Args:
        crf: Weight of the CRF's negative log-likelihood. With 0 the transitions stay 0, and decoding is a softmax
            that cannot give an illegal sequence.
        cross_entropy: Weight of the cross-entropy of each word's emissions.
        label_smoothing: Weight of the cross-entropy against the uniform distribution (Szegedy et al. 2016).
        label_weights: Factors of the terms of single words, by their gold label (or "O"); others count 1.
        missing: What the CRF's term does with words whose tag is not known. "sum" leaves all their tags open, a
            partial-label CRF (see `partial_loss`); "split" cuts the doc there and takes the parts as docs of their
            own.

    Raises:
        ValueError: If a weight is negative, no term has a weight, or `label_weights` would change nothing.
    """

    crf: float = 1.0
    cross_entropy: float = 0.0
    label_smoothing: float = 0.0
    label_weights: dict[str, float] | None = None
    missing: Missing = "sum"

    def __post_init__(self) -> None:
        weights = [self.crf, self.cross_entropy, self.label_smoothing, *(self.label_weights or {}).values()]
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

    def __call__(self, crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor], labels: list[str]) -> Tensor:
        """Compute the loss.

        Args:
            crf: The CRF of the head.
            emissions: Emissions fp32 [n_words, n_tags] of each doc.
            tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known.
            labels: The labels of the tags.

        Returns:
            The sum over all words with a known tag, divided by their number, a scalar; 0 if there are none.

        Raises:
            LlamaNERError: If `label_weights` name other labels.
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
        weights = torch.tensor(self.tag_weights(labels), device=scores.device)[gold]
        log_p = F.log_softmax(scores, dim=1)
        surprise = -log_p.gather(1, gold[:, None])[:, 0]
        return (weights * (self.cross_entropy * surprise - self.label_smoothing * log_p.mean(dim=1))).sum()

    def tag_weights(self, labels: Sequence[str]) -> list[float]:
        """List the weight of each tag.

        Args:
            labels: The labels of the tags.

        Returns:
            One weight for each tag, in the order of the tags.

        Raises:
            LlamaNERError: If `label_weights` name other labels.
        """
        given = self.label_weights or {}
        if unknown := set(given) - {"O", *labels}:
            raise LlamaNERError(
                f"label_weights names {sorted(unknown)}, which are not labels of this component. "
                f"Its labels are {sorted(labels)}, and 'O' for words outside of entities."
            )
        return [given.get("O", 1.0), *(given.get(label, 1.0) for label in labels for _ in "BI")]


def crf_loss(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor], *, missing: Missing = "sum") -> Tensor:
    """Compute the negative log-likelihood of the known tags of each doc, summed.

    Docs that are known as a whole are computed the same way, whatever `missing` is.

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_words, n_tags] of each doc.
        tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known. At least one has to be known.
        missing: What is done with words whose tag is not known; see `TaggingLoss`.

    Returns:
        The sum over all docs, a scalar.
    """
    complete, partial = [], []
    for scores, gold in zip(emissions, tags, strict=True):
        known = known_ranges(gold)
        if missing == "sum" and known and known != [(0, len(gold))]:
            partial.append((scores, gold))
        else:
            complete += [(scores[start:end], gold[start:end]) for start, end in known]
    total = emissions[0].new_zeros(())
    if complete:
        scores, lengths = pad([scores for scores, _ in complete])
        gold, _ = pad([gold for _, gold in complete])
        total = total - crf(scores, gold, mask=word_mask(lengths, scores.shape[1]), reduction="sum")
    if partial:
        total = total + partial_loss(crf, [scores for scores, _ in partial], [gold for _, gold in partial])
    return total


def known_ranges(tags: Tensor) -> list[tuple[int, int]]:
    """List the maximal ranges of words whose tag is known, as (start, end) with `end` exclusive."""
    known = torch.cat([tags.new_zeros(1), (tags >= 0).long(), tags.new_zeros(1)])
    edges = known.diff().nonzero()[:, 0].tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def partial_loss(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor]) -> Tensor:
    """Compute the negative log-likelihood of what is known of each doc, summed: a partial-label CRF.

    The likelihood of a doc is the summed probability of all tag sequences that agree with what is known.

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_words, n_tags] of each doc, of one word or more.
        tags: Gold tags int64 [n_words] of each doc; `MISSING` and `NOT_INSIDE` (below 0) are not known.

    Returns:
        The sum over all docs, a scalar.
    """
    free, lengths = pad(list(emissions))
    allowed, _ = pad([allowed_tags(doc, crf.num_tags) for doc in tags], value=True)
    scores = torch.cat([free, free.masked_fill(~allowed, EXCLUDED)])
    everything, known = log_partition(crf, scores, lengths.repeat(2)).chunk(2)
    return (everything - known).sum()


def allowed_tags(tags: Tensor, n_tags: int) -> Tensor:
    """Mark the tags that agree with what is known of each word: int64 [n_words] to bool [n_words, n_tags]."""
    allowed = (tags < 0)[:, None].expand(-1, n_tags) | F.one_hot(tags.clamp(min=0), n_tags).bool()
    inside = torch.from_numpy(is_inside(n_tags)).to(tags.device)
    return allowed & ~((tags == NOT_INSIDE)[:, None] & inside)


def log_partition(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Compute the logarithm of the summed exponential scores of all tag sequences.

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_docs, n_words, n_tags], padded on the right.
        lengths: Words of each doc, int64 [n_docs], each at least 1.

    Returns:
        One number for each doc, [n_docs].
    """
    transitions = crf.transitions
    score = crf.start_transitions + emissions[:, 0]
    for t in range(1, emissions.shape[1]):
        onward = (score[:, :, None] + transitions).logsumexp(dim=1) + emissions[:, t]
        score = torch.where((t < lengths)[:, None], onward, score)
    return (score + crf.end_transitions).logsumexp(dim=1)
