"""Learning something new without forgetting the old: stay close to what an earlier model says of old texts.

Distillation as in Learning without Forgetting (Li and Hoiem 2016, https://arxiv.org/abs/1606.09282). What the
earlier model calls "O" may have become an entity of a label that it does not know, so that the probabilities of "O"
and of the new labels count together (Cermelli et al. 2020, https://arxiv.org/abs/2002.00718, do this for images).
"""

from __future__ import annotations

from typing import cast

import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from ..shim.torch_shim import split_rows
from .architectures import TaggerModel
from .crf import by_length, is_word, pad, posterior, safe_log
from .inference import get_head


def distillation_loss(
    model: TaggerModel, emissions: list[Floats2d], *, tutor: TaggerModel, wanted: list[Floats2d]
) -> tuple[float, list[Floats2d]]:
    """How far the tags of `model` are from those of `tutor`, and the gradient on the emissions of `model`.

    emissions, wanted: of the same docs by the two models, fp32 [n_words, n_tags] for each doc. The labels of `tutor`
        are the first ones of `model`.

    The loss is the divergence (Kullback and Leibler 1951) of the tags' marginals, a mean over all words: 0 where both
    say the same. As by `head.tagging.get_loss`, the gradient on the CRF's own parameters is added to them. Raises
    ValueError where the labels do not fit.
    """
    head, old = get_head(model), get_head(tutor)
    if head.labels[: len(old.labels)] != old.labels:
        raise ValueError(
            f"The model that is rehearsed has the labels {old.labels}, and this one {head.labels}, which has to "
            "begin with the same. Call `nlp.resume_training()` before labels are added."
        )
    device = head.output.weight.device
    lengths = [len(doc) for doc in emissions]
    scores = xp2torch(model.ops.xp.concatenate(emissions), requires_grad=True, device=device)
    docs = scores.split(lengths)
    total = scores.new_zeros(())
    for group in by_length(lengths, n_tags=head.crf.num_tags):
        given, sizes = pad([docs[i] for i in group])
        with torch.no_grad():
            target = posterior(old.crf, pad([xp2torch(wanted[i], device=device) for i in group])[0], sizes).marginals
        reached = _as_seen_by(target.shape[2], posterior(head.crf, given, sizes).marginals)
        divergence = (target * (safe_log(target) - safe_log(reached))).sum(dim=2)
        total = total + divergence[is_word(sizes, given.shape[1])].sum()
    loss = total / max(1, sum(lengths))
    loss.backward()
    return loss.item(), split_rows(cast(Floats2d, torch2xp(cast(Tensor, scores.grad))), lengths)


def _as_seen_by(n_tags: int, marginals: Tensor) -> Tensor:
    """Marginals over the first `n_tags` tags, where all further ones count as "O"."""
    outside = marginals[..., :1] + marginals[..., n_tags:].sum(dim=-1, keepdim=True)
    return torch.cat([outside, marginals[..., 1:n_tags]], dim=-1)
