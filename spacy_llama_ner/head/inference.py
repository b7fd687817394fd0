"""What a component asks of a `CRFTagger` model: its loss, entities with their scores, and scores to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d

from ..shim.torch_shim import TorchShim, split_rows
from .architectures import TaggerModel, get_loss_settings
from .bio import spans
from .crf import by_length, pad, posterior, span_scores, viterbi
from .temperature import fit_temperature

if TYPE_CHECKING:
    from .architectures import TaggerHead


class Entity(NamedTuple):
    """Words `start:end` carry `label`; `score` is the probability that all three are right."""

    start: int
    end: int
    label: str
    score: float


def get_loss(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> tuple[float, list[Floats2d]]:
    """The loss and its gradient on the emissions, fp32 [n_words, n_tags] for each doc.

    tags: int64 [n_words] for each doc, below 0 where the gold tag is not known. The gradient on the CRF's own
    parameters is added to them, as backpropagation does to those of the layers below.
    """
    head = get_head(model)
    device = head.output.weight.device
    lengths = [len(doc) for doc in emissions]
    scores = xp2torch(model.ops.xp.concatenate(emissions), requires_grad=True, device=device)
    gold = torch.from_numpy(np.concatenate(tags)).to(device)
    loss = get_loss_settings(model)(head.crf, scores.split(lengths), gold.split(lengths), head.labels)
    loss.backward()
    return loss.item(), split_rows(cast(Floats2d, torch2xp(cast(torch.Tensor, scores.grad))), lengths)


def mean_loss(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> float | None:
    """The loss alone, over any number of docs; no gradient is touched. None where no tag is known.

    Arguments as of `get_loss`.
    """
    head, settings = get_head(model), get_loss_settings(model)
    device = head.output.weight.device
    total, n_words = 0.0, 0
    with torch.inference_mode():
        for group in by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores = [xp2torch(emissions[i], device=device) for i in group]
            gold = [torch.from_numpy(tags[i]).to(device) for i in group]
            known = sum(int((tags[i] >= 0).sum()) for i in group)
            total += known * settings(head.crf, scores, gold, head.labels).item()
            n_words += known
    return total / n_words if n_words else None


def decode(model: TaggerModel, emissions: list[Floats2d]) -> list[list[Entity]]:
    """The entities of the most probable legal tag sequence of each doc, with scores at the head's temperature."""
    head = get_head(model)
    device = head.output.weight.device
    entities: list[list[Entity]] = [[] for _ in emissions]
    with torch.inference_mode():
        for group in by_length([len(doc) for doc in emissions], n_tags=head.crf.num_tags):
            scores, lengths = pad([xp2torch(emissions[i], device=device) for i in group])
            tags = viterbi(head.crf, scores, lengths)
            distribution = posterior(head.crf, scores, lengths, temperature=head.temperature)
            probabilities = span_scores(distribution, tags, lengths)
            rows = zip(group, tags.cpu().numpy(), probabilities.cpu().numpy(), strict=True)
            for index, doc_tags, doc_scores in rows:
                entities[index] = [
                    Entity(start, end, head.labels[label], float(doc_scores[start]))
                    for start, end, label in spans(doc_tags[: len(emissions[index])])
                ]
    return entities


def calibrate(model: TaggerModel, emissions: list[Floats2d], tags: list[np.ndarray]) -> float:
    """Set the temperature of the scores to the one that suits gold tags best, and return it.

    emissions, tags: as of `get_loss`. The temperature is saved with the model. It stays through further training and
    with new labels until it is fitted again; `initialize` makes it 1.
    """
    head = get_head(model)
    device = head.output.weight.device
    scores = [xp2torch(doc, device=device) for doc in emissions]
    gold = [torch.from_numpy(doc).to(device) for doc in tags]
    head.temperature = fit_temperature(head.crf, scores, gold)
    return head.temperature


def get_head(model: TaggerModel) -> TaggerHead:
    """The torch side of the head."""
    return cast("TaggerHead", cast(TorchShim, model.get_ref("head").shims[0]).module)
