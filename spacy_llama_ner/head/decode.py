"""The best legal tag sequence and the probabilities of its entities, batched over docs.

Time runs in Python, docs and tags run in tensors, and nothing is read back from the device before the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchcrf import CRF

from .batches import is_word


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
