"""From emissions to what a component needs: entities with scores, the loss, and a temperature for the scores."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d

from ..shim.torch_shim import split_rows
from .architectures import TaggerModel, get_head, get_tagging_loss
from .bio import tags_to_spans
from .crf import group_by_length, pad, posterior, span_scores, viterbi
from .temperature import fit_temperature


class Entity(NamedTuple):
    """An entity that was found.

    Attributes:
        start: Its first word.
        end: The end (exclusive) of its words.
        label: Its label.
        score: The probability that all three are right.
    """

    start: int
    end: int
    label: str
    score: float


def decode(model: TaggerModel, emissions: list[Floats2d]) -> list[list[Entity]]:
    """Find the entities of the most probable legal tag sequence of each doc.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.

    Returns:
        The entities of each doc, with scores at the head's temperature.
    """
    head = get_head(model)
    device = head.output.weight.device
    entities: list[list[Entity]] = [[] for _ in emissions]
    with torch.inference_mode():
        for group in group_by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores, lengths = pad([xp2torch(emissions[i], device=device) for i in group])
            tags = viterbi(head.crf, scores, lengths)
            distribution = posterior(head.crf, scores, lengths, temperature=head.temperature)
            probabilities = span_scores(distribution, tags, lengths)
            rows = zip(group, tags.cpu().numpy(), probabilities.cpu().numpy(), strict=True)
            for index, doc_tags, doc_scores in rows:
                entities[index] = [
                    Entity(start, end, head.labels[label], float(doc_scores[start]))
                    for start, end, label in tags_to_spans(doc_tags[: len(emissions[index])])
                ]
    return entities


def get_loss(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> tuple[float, list[Floats2d]]:
    """Compute the loss and its gradient on the emissions.

    The gradient on the CRF's own parameters is added to them, as backpropagation does to those of the layers below.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.
        tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known.

    Returns:
        The loss, a mean over the words with a known tag, and gradients fp32 [n_words, n_tags] of each doc.
    """
    head = get_head(model)
    device = head.output.weight.device
    lengths = [len(doc) for doc in emissions]
    scores = xp2torch(model.ops.xp.concatenate(emissions), requires_grad=True, device=device)
    gold = torch.from_numpy(np.concatenate(tags)).to(device)
    loss = get_tagging_loss(model)(head.crf, scores.split(lengths), gold.split(lengths), head.labels)
    loss.backward()
    return loss.item(), split_rows(cast(Floats2d, torch2xp(cast(torch.Tensor, scores.grad))), lengths)


def mean_loss(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> float | None:
    """Compute the loss alone, over any number of docs; no gradient is touched.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.
        tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known.

    Returns:
        The loss, a mean over the words with a known tag; None if no tag is known.
    """
    head, loss = get_head(model), get_tagging_loss(model)
    device = head.output.weight.device
    total, n_words = 0.0, 0
    with torch.inference_mode():
        for group in group_by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores = [xp2torch(emissions[i], device=device) for i in group]
            gold = [torch.from_numpy(tags[i]).to(device) for i in group]
            known = sum(int((tags[i] >= 0).sum()) for i in group)
            total += known * loss(head.crf, scores, gold, head.labels).item()
            n_words += known
    return total / n_words if n_words else None


def fit_head_temperature(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> float:
    """Set the temperature of the scores to the one that fits gold tags best.

    The temperature is saved with the model. It stays through further training and with new labels until it is fitted
    again; `initialize` makes it 1.

    Args:
        model: A `CRFTagger`.
        emissions: What it gives for the docs, fp32 [n_words, n_tags] each.
        tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known.

    Returns:
        The temperature.
    """
    head = get_head(model)
    device = head.output.weight.device
    scores = [xp2torch(doc, device=device) for doc in emissions]
    gold = [torch.from_numpy(doc).to(device) for doc in tags]
    head.temperature = fit_temperature(head.crf, scores, gold)
    return head.temperature
