"""A linear-chain CRF (Lafferty et al. 2001) over BIO tags, whose illegal transitions stay illegal.

From it are computed the best tags, the distribution over all tag sequences, and the probabilities of entities. Docs
are computed in padded groups of similar length (`group_by_length`, `pad`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .bio import illegal_transitions, is_inside

if TYPE_CHECKING:
    from torchcrf import CRF

# No emission makes up for it. Every tag but I-x follows every tag, so no sum over paths is ever empty.
IMPOSSIBLE = float("-inf")
# padded words in one group
WORDS_PER_GROUP = 8192
# numbers that the CRF keeps for one group, n_tags ** 2 for a word: a full group with 16 labels
NUMBERS_PER_GROUP = WORDS_PER_GROUP * 33**2


class _ForbidIllegal(nn.Module):
    """Replaces the scores at `illegal` whenever they are read, whatever the parameter underneath is."""

    def __init__(self, illegal: Tensor) -> None:
        super().__init__()
        self.illegal: Tensor
        self.register_buffer("illegal", illegal, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        return scores.masked_fill(self.illegal, IMPOSSIBLE)


def make_crf(n_tags: int) -> CRF:
    """Make pytorch-crf's CRF over BIO tags, batch first.

    All legal transitions start at zero. I-x after anything but B-x or I-x, or at the start, scores `IMPOSSIBLE`.

    Args:
        n_tags: Number of tags, in the order of `head.bio`.

    Returns:
        The CRF.
    """
    from torchcrf import CRF

    crf = CRF(n_tags, batch_first=True)
    for parameter in crf.parameters():
        nn.init.zeros_(parameter)
    illegal, illegal_start = torch.from_numpy(illegal_transitions(n_tags)), torch.from_numpy(is_inside(n_tags))
    parametrize.register_parametrization(crf, "transitions", _ForbidIllegal(illegal))
    parametrize.register_parametrization(crf, "start_transitions", _ForbidIllegal(illegal_start))
    return crf


def group_by_length(lengths: Sequence[int], *, n_tags: int) -> Iterator[list[int]]:
    """Group docs of similar length.

    Args:
        lengths: Words of each doc.
        n_tags: Number of tags; with many of them the groups are smaller, so that memory is bounded.

    Yields:
        Indices of docs with words, the longest first.
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
    """Stack the tensors of docs.

    Args:
        arrays: Tensors [n_words, ...], one for each doc.
        value: What stands behind shorter docs.

    Returns:
        The padded tensor [n_docs, n_words, ...], and the lengths of the docs, int64 [n_docs].
    """
    lengths = torch.tensor([len(array) for array in arrays], device=arrays[0].device)
    return torch.nn.utils.rnn.pad_sequence(list(arrays), batch_first=True, padding_value=value), lengths


def word_mask(lengths: Tensor, n_words: int) -> Tensor:
    """Mark the words of padded docs, bool [n_docs, n_words], given their lengths, int64 [n_docs]."""
    return torch.arange(n_words, device=lengths.device) < lengths[:, None]


def viterbi(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Find the most probable tags (Viterbi 1967).

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_docs, n_words, n_tags], padded on the right.
        lengths: Words of each doc, int64 [n_docs], each at least 1.

    Returns:
        Tags, int64 [n_docs, n_words]; entries behind a doc's end mean nothing.
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

    The chain's transition matrices, which would take gigabytes for a book, are computed from the last three where
    they are needed.

    Attributes:
        marginals: Probability of each tag at each word, [n_docs, n_words, n_tags].
        transitions: Log-weight of a tag behind another, [n_tags, n_tags].
        ahead: Log-weight of each tag of the next word, with all that may come behind it, [n_docs, n_words - 1,
            n_tags].
        total: Log-weight of all that may follow each tag of this word, [n_docs, n_words - 1, n_tags].
    """

    marginals: Tensor
    transitions: Tensor
    ahead: Tensor
    total: Tensor

    def transition_probability(self, tags: Tensor, following: Tensor) -> Tensor:
        """Compute how probable the tag of the next word is, given that of a word.

        Args:
            tags: Tags of all words but the last, int64 [n_docs, n_words - 1].
            following: Tags of the words behind them, int64 [n_docs, n_words - 1].

        Returns:
            Probabilities [n_docs, n_words - 1].
        """
        ahead = self.ahead.gather(2, following[:, :, None])[:, :, 0]
        total = self.total.gather(2, tags[:, :, None])[:, :, 0]
        return (self.transitions[tags, following] + ahead - total).exp()


def posterior(crf: CRF, emissions: Tensor, lengths: Tensor, *, temperature: float = 1.0) -> Posterior:
    """Compute the distribution over tag sequences by forward-backward.

    It is written with conditional probabilities, so that long docs lose no precision. Backwards, the log-weight of
    everything behind a word is collected (and shifted at each word, which changes no ratio); forwards, the marginals
    follow the chain from word to word.

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_docs, n_words, n_tags], padded on the right.
        lengths: Words of each doc, int64 [n_docs], each at least 1.
        temperature: What all scores are divided by, those of the transitions too. Above 1 the distribution is
            flatter, below 1 sharper; the best sequence is the same at any.

    Returns:
        The distribution.
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
    """Compute how probable it is that an entity is right as a whole: its start, end and label.

    The score of an entity B I I is P(B) P(I|B) P(I|I) (1 - P(I|I)), without the last factor at the end of the doc.

    Args:
        posterior: The distribution over tag sequences.
        tags: Tags with the entities, int64 [n_docs, n_words], as `viterbi` gives them.
        lengths: Words of each doc, int64 [n_docs].

    Returns:
        The score of the entity that starts at each word, [n_docs, n_words]; entries at words where no entity starts
        mean nothing.
    """
    n_docs, n_words = tags.shape
    begins = tags % 2 == 1
    inside_tag = tags + (tags % 2)  # of the entity that each word belongs to
    here = posterior.marginals.gather(2, tags[:, :, None])[:, :, 0]
    if n_words == 1:
        return here
    onward = posterior.transition_probability(tags[:, :-1], inside_tag[:, :-1])  # P(the entity goes on)
    goes_on = (tags[:, 1:] > 0) & (tags[:, 1:] % 2 == 0)
    factor = safe_log(torch.where(goes_on, onward, 1 - onward))
    factor = factor.masked_fill(~word_mask(lengths, n_words)[:, 1:], 0.0)
    # The log-factors from each word to the end of its entity are summed in float64, since the sums of a long doc hide
    # the terms, and on the CPU, since Apple's GPUs have no float64.
    total = torch.cat([factor, factor.new_zeros(n_docs, 1)], dim=1).cpu().double()
    upto = total.cumsum(dim=1)
    last = torch.cat([~goes_on, goes_on.new_ones(n_docs, 1)], dim=1).cpu()
    position = torch.arange(n_words).expand(n_docs, -1)
    ends = torch.where(last, position, n_words - 1).flip(1).cummin(dim=1).values.flip(1)
    onwards = (upto.gather(1, ends) - upto + total).exp().float().to(here.device)
    return torch.where(begins, here * onwards, here).clamp(max=1.0)


def safe_log(probabilities: Tensor) -> Tensor:
    """Take the logarithm, that of 0 as a large negative number."""
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def log_probability(posterior: Posterior, tags: Tensor, lengths: Tensor) -> Tensor:
    """Compute the log-probability of a tag sequence.

    Args:
        posterior: The distribution over tag sequences.
        tags: The sequence of each doc, int64 [n_docs, n_words]; entries behind a doc's end mean nothing.
        lengths: Words of each doc, int64 [n_docs].

    Returns:
        Log-probabilities [n_docs].
    """
    first = safe_log(posterior.marginals[:, 0].gather(1, tags[:, :1])[:, 0])
    onward = safe_log(posterior.transition_probability(tags[:, :-1], tags[:, 1:]))
    behind = ~word_mask(lengths, tags.shape[1])[:, 1:]
    return first + onward.masked_fill(behind, 0.0).sum(dim=1)


def viterbi_margin(crf: CRF, emissions: Tensor, lengths: Tensor) -> Tensor:
    """Compute by how much the score of the best tag sequence exceeds that of the second best.

    It is Viterbi with the two best ways to each tag (Seshadri and Sundberg 1994, list Viterbi decoding).

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_docs, n_words, n_tags], padded on the right.
        lengths: Words of each doc, int64 [n_docs], each at least 1.

    Returns:
        Differences [n_docs].
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
    """Compute the entropy over the last dimension, in nats."""
    return torch.special.entr(probabilities.clamp(min=0.0)).sum(dim=-1)


def word_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Take the mean over the words of each doc: [n_docs, n_words] to [n_docs]."""
    return values.masked_fill(~word_mask(lengths, values.shape[1]), 0.0).sum(dim=1) / lengths
