"""A linear-chain CRF whose illegal transitions stay illegal (Lafferty et al. 2001)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .bio import illegal_transitions, is_inside

if TYPE_CHECKING:
    from torchcrf import CRF

# No emission makes up for it. Every tag but I-x follows every tag, so no sum over paths is ever empty.
IMPOSSIBLE = float("-inf")


class _Forbid(nn.Module):
    """Replaces the scores at `illegal` on every read, whatever the parameter underneath says."""

    def __init__(self, illegal: Tensor) -> None:
        super().__init__()
        self.illegal: Tensor
        self.register_buffer("illegal", illegal, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        return scores.masked_fill(self.illegal, IMPOSSIBLE)


def make_crf(n_tags: int) -> CRF:
    """pytorch-crf's CRF over BIO tags in the order of `head.scheme`, batch first.

    All legal transitions start at zero. I-x after anything but B-x or I-x, or at the start, scores `IMPOSSIBLE`.
    """
    from torchcrf import CRF

    crf = CRF(n_tags, batch_first=True)
    for parameter in crf.parameters():
        nn.init.zeros_(parameter)
    illegal = torch.from_numpy(illegal_transitions(n_tags))
    parametrize.register_parametrization(crf, "transitions", _Forbid(illegal))
    parametrize.register_parametrization(crf, "start_transitions", _Forbid(torch.from_numpy(is_inside(n_tags))))
    return crf


# padded words in one group
WORDS_PER_GROUP = 8192
# that the CRF keeps for one group, n_tags ** 2 for a word: as many as the words of a group have with 16 labels
NUMBERS_PER_GROUP = WORDS_PER_GROUP * 33**2

T = TypeVar("T")


def by_length(lengths: Sequence[int], *, n_tags: int) -> Iterator[list[int]]:
    """Indices of the non-empty docs in groups of similar length, the longest first in each group.

    n_tags: of the CRF; with many of them the groups are smaller, so that memory is bounded.
    """
    most = min(WORDS_PER_GROUP, NUMBERS_PER_GROUP // n_tags**2)
    order = sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i])
    start = 0
    for position, index in enumerate(order):
        longest = lengths[order[start]]
        too_many = (position - start + 1) * longest > most
        if position > start and (too_many or lengths[index] * 2 < longest):
            yield order[start:position]
            start = position
    if order:
        yield order[start:]


def pad(arrays: Sequence[Tensor], value: float = 0.0) -> tuple[Tensor, Tensor]:
    """Stack tensors [n_i, ...] to [n_docs, max n_i, ...], with their lengths, int64 [n_docs]."""
    lengths = torch.tensor([len(array) for array in arrays], device=arrays[0].device)
    return torch.nn.utils.rnn.pad_sequence(list(arrays), batch_first=True, padding_value=value), lengths


def is_word(lengths: Tensor, n_words: int) -> Tensor:
    """Bool [n_docs, n_words]: not behind the doc's end. lengths: int64 [n_docs]."""
    return torch.arange(n_words, device=lengths.device) < lengths[:, None]


def viterbi(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """The most probable tags (Viterbi 1967), int64 [n_docs, n_words]; entries behind a doc's end mean nothing.

    emissions: fp32 [n_docs, n_words, n_tags], padded on the right.
    lengths: int64 [n_docs], each at least 1.
    """
    transitions = crf.transitions
    score = crf.start_transitions + emissions[:, 0]
    backs = []
    for t in range(1, emissions.shape[1]):
        best, back = (score[:, :, None] + transitions).max(dim=1)
        inside = (t < lengths)[:, None]
        score = torch.where(inside, best + emissions[:, t], score)
        backs.append(torch.where(inside, back, torch.arange(back.shape[1], device=back.device)))
    tag = (score + crf.end_transitions).argmax(dim=1, keepdim=True)
    tags = [tag]
    for back in reversed(backs):
        tag = back.gather(1, tag)
        tags.append(tag)
    return torch.cat(tags[::-1], dim=1)


@dataclass(frozen=True)
class Posterior:
    """The CRF's distribution over tag sequences as the Markov chain that it is.

    marginals: [n_docs, n_words, n_tags], probability of each tag at each word.
    transitions: [n_tags, n_tags], log-weight of a tag behind another.
    ahead: [n_docs, n_words - 1, n_tags], log-weight of each tag of the next word, with all that may come behind it.
    total: [n_docs, n_words - 1, n_tags], log-weight of all that may follow each tag of this word.

    A step's matrix, which of a book would take gigabytes, is made of the last three where it is needed.
    """

    marginals: Tensor
    transitions: Tensor
    ahead: Tensor
    total: Tensor

    def onward(self, tags: Tensor, following: Tensor) -> Tensor:
        """Probability that the next word has a tag, given that of each word but the last: [n_docs, n_words - 1].

        tags, following: int64 [n_docs, n_words - 1], of the words and of those behind them.
        """
        ahead = self.ahead.gather(2, following[:, :, None])[:, :, 0]
        total = self.total.gather(2, tags[:, :, None])[:, :, 0]
        return (self.transitions[tags, following] + ahead - total).exp()


def posterior(crf: CRF, emissions: Tensor, lengths: Tensor, *, temperature: float = 1.0) -> Posterior:
    """Forward-backward, written with conditional probabilities so that long docs lose no precision.

    Arguments as of `viterbi`. Backwards, the log-weight of everything behind a word is collected (and shifted at
    each word, which changes no ratio); forwards, the marginals follow the chain from word to word.

    temperature: what all scores are divided by, those of the transitions too. Above 1 the distribution is flatter,
        below 1 sharper; the best sequence is the same at any.
    """
    emissions, transitions = emissions / temperature, crf.transitions / temperature
    behind = (crf.end_transitions / temperature).expand(len(emissions), -1)
    aheads, totals = [], []
    for t in range(emissions.shape[1] - 1, 0, -1):
        # a word behind the doc's end repeats the last word's tag
        inside = (t < lengths)[:, None]
        ahead = emissions[:, t] + behind
        total = (transitions + ahead[:, None, :]).logsumexp(dim=2)
        aheads.append(ahead)
        totals.append(total)
        behind = torch.where(inside, total - total.amax(dim=1, keepdim=True), behind)
    first = (crf.start_transitions / temperature + emissions[:, 0] + behind).softmax(dim=1)
    marginals = [first]
    for ahead, total in zip(reversed(aheads), reversed(totals), strict=True):
        step = (transitions + ahead[:, None, :] - total[:, :, None]).exp()
        marginals.append(torch.einsum("bi,bij->bj", marginals[-1], step))
    none = emissions[:, :0]
    return Posterior(
        torch.stack(marginals, dim=1),
        transitions,
        torch.stack(aheads[::-1], dim=1) if aheads else none,
        torch.stack(totals[::-1], dim=1) if totals else none,
    )


def span_scores(posterior: Posterior, tags: Tensor, lengths: Tensor) -> Tensor:
    """How probable it is that the entity starting at a word is right as a whole: its start, end and label.

    tags: int64 [n_docs, n_words], as `viterbi` gives them. Returns [n_docs, n_words]; entries at words where no
    entity starts mean nothing. The score of an entity B I I is P(B) P(I|B) P(I|I) (1 - P(I|I)), without the last
    factor at the end of the doc.
    """
    n_docs, n_words = tags.shape
    begins = tags % 2 == 1
    inside_tag = tags + (tags % 2)  # of the entity that each word belongs to
    here = posterior.marginals.gather(2, tags[:, :, None])[:, :, 0]
    if n_words == 1:
        return here
    onward = posterior.onward(tags[:, :-1], inside_tag[:, :-1])  # P(the entity goes on)
    goes_on = (tags[:, 1:] > 0) & (tags[:, 1:] % 2 == 0)
    factor = safe_log(torch.where(goes_on, onward, 1 - onward))
    factor = factor.masked_fill(~is_word(lengths, n_words)[:, 1:], 0.0)
    # sum the log-factors from each word to the end of its entity
    # in float64, since the sums of a long doc hide the terms; on the CPU, since Apple's GPUs have no float64
    total = torch.cat([factor, factor.new_zeros(n_docs, 1)], dim=1).cpu().double()
    upto = total.cumsum(dim=1)
    last = torch.cat([~goes_on, goes_on.new_ones(n_docs, 1)], dim=1).cpu()
    position = torch.arange(n_words).expand(n_docs, -1)
    ends = torch.where(last, position, n_words - 1).flip(1).cummin(dim=1).values.flip(1)
    onwards = (upto.gather(1, ends) - upto + total).exp().float().to(here.device)
    return torch.where(begins, here * onwards, here).clamp(max=1.0)


def safe_log(probabilities: Tensor) -> Tensor:
    """The logarithm, of 0 too: a large negative number."""
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


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
