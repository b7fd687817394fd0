"""Distillation: learn something new and stay close to what an earlier model predicts for old texts.

Learning without Forgetting (Li and Hoiem 2016, https://arxiv.org/abs/1606.09282). What the earlier model calls "O"
may have become an entity of a label that it does not know, so that the probabilities of "O" and of the new labels
count together (Cermelli et al. 2020, https://arxiv.org/abs/2002.00718, do this for images).
"""

from __future__ import annotations

from typing import cast

import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from ..shim.torch_shim import split_rows
from .architectures import TaggerModel, get_head
from .crf import group_by_length, pad, posterior, safe_log, word_mask


def distillation_loss(
    model: TaggerModel, emissions: list[Floats2d], *, teacher: TaggerModel, teacher_emissions: list[Floats2d]
) -> tuple[float, list[Floats2d]]:
    """Compute how far the tags of a model are from those of its teacher.

    It is the divergence (Kullback and Leibler 1951) of the tags' marginals, a mean over all words: 0 where both
    models predict the same. The gradient on the CRF's own parameters is added to them, as by
    `head.inference.get_loss`.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.
        teacher: The earlier `CRFTagger`, whose labels are the first ones of `model`.
        teacher_emissions: What the teacher gives for the docs, fp32 [n_words, n_tags] each.

    Returns:
        The loss, and its gradients on the emissions of `model`, fp32 [n_words, n_tags] for each doc.

    Raises:
        ValueError: If the labels of `model` do not begin with those of `teacher`.
    """
    head, teacher_head = get_head(model), get_head(teacher)
    if head.labels[: len(teacher_head.labels)] != teacher_head.labels:
        raise ValueError(
            f"The model that is rehearsed has the labels {teacher_head.labels}, and this one {head.labels}, which "
            "has to begin with the same. Call `nlp.resume_training()` before labels are added."
        )
    device = head.output.weight.device
    lengths = [len(doc) for doc in emissions]
    scores = xp2torch(model.ops.xp.concatenate(emissions), requires_grad=True, device=device)
    docs = scores.split(lengths)
    total = scores.new_zeros(())
    for group in group_by_length(lengths, n_tags=head.crf.num_tags):
        given, sizes = pad([docs[i] for i in group])
        with torch.no_grad():
            wanted, _ = pad([xp2torch(teacher_emissions[i], device=device) for i in group])
            target = posterior(teacher_head.crf, wanted, sizes).marginals
        reached = _merge_new_labels(posterior(head.crf, given, sizes).marginals, n_tags=target.shape[2])
        divergence = (target * (safe_log(target) - safe_log(reached))).sum(dim=2)
        total = total + divergence[word_mask(sizes, given.shape[1])].sum()
    loss = total / max(1, sum(lengths))
    loss.backward()
    return loss.item(), split_rows(cast(Floats2d, torch2xp(cast(Tensor, scores.grad))), lengths)


def _merge_new_labels(marginals: Tensor, *, n_tags: int) -> Tensor:
    """Marginals over the first `n_tags` tags, with all further ones counted as "O"."""
    outside = marginals[..., :1] + marginals[..., n_tags:].sum(dim=-1, keepdim=True)
    return torch.cat([outside, marginals[..., 1:n_tags]], dim=-1)
