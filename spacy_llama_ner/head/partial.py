"""A CRF that learns from words whose tags are known, with the others left open.

The loss of a doc is log Z minus log Z over those tag sequences that agree with what is known (Tsuboi et al. 2008,
https://aclanthology.org/C08-1113; Jie et al. 2019, https://aclanthology.org/N19-1079). Where every tag is known, only
one sequence agrees, and it is the ordinary negative log-likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchcrf import CRF

from .batches import pad
from .scheme import CLOSED, is_inside

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
