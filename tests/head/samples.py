"""What the head's tests share: taggers with random transitions, and a CRF whose sequences are counted one by one."""

from __future__ import annotations

import copy
from itertools import product

import numpy as np
import torch
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d
from torch import Tensor
from torchcrf import CRF

from spacy_llama_ner.head import CRFTagger, LinearHead, TaggingLoss
from spacy_llama_ner.head.architectures import TaggerModel, extend_labels, get_head, set_labels
from spacy_llama_ner.head.bio import tag_names
from spacy_llama_ner.head.crf import make_crf

LABELS = ["DATE", "NAME", "TIME"]
WIDTH = 4


def zero_vectors() -> Model[list[Doc], list[Floats2d]]:
    """A tok2vec that gives zeros, for tests that bring their own emissions."""

    def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple:
        return [model.ops.alloc2f(len(doc), WIDTH) for doc in docs], lambda d_words: []

    return Model("zeros", forward, dims={"nO": WIDTH})


def make_tagger(n_labels: int = 2, *, loss: TaggingLoss | None = None) -> TaggerModel:
    """A tagger with random transitions, the same each time for the first two labels."""
    model = CRFTagger(zero_vectors(), LinearHead(), loss or TaggingLoss())
    set_labels(model.get_ref("head"), LABELS[:2])
    model.initialize()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in get_head(model).crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    if n_labels > 2:
        extend_labels(model.get_ref("head"), LABELS[:n_labels])
    return model


def make_emissions(*lengths: int) -> list[np.ndarray]:
    """Random emissions of docs of these lengths for two labels."""
    rng = np.random.default_rng(1)
    return [2 * rng.normal(size=(n, 5)).astype("float32") for n in lengths]


def random_crf(n_labels: int, seed: int) -> CRF:
    """A CRF with random scores everywhere, at the illegal transitions too."""
    generator = torch.Generator().manual_seed(seed)
    crf = make_crf(1 + 2 * n_labels)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return crf


def scaled_crf(crf: CRF, temperature: float) -> CRF:
    """A copy of which all scores are divided by a temperature."""
    scaled = copy.deepcopy(crf)
    with torch.no_grad():
        for parameter in scaled.parameters():
            parameter /= temperature
    return scaled


def random_emissions(n_docs: int, n_words: int, n_tags: int, seed: int) -> Tensor:
    return 2 * torch.randn(n_docs, n_words, n_tags, generator=torch.Generator().manual_seed(seed))


def is_legal(tags: tuple[int, ...], names: list[str]) -> bool:
    """Whether each I-x follows B-x or I-x, read off the tags' names."""
    before = "O"
    for tag in tags:
        name = names[tag]
        if name.startswith("I-") and before[2:] != name[2:]:
            return False
        before = name
    return True


def entities(tags: tuple[int, ...], names: list[str]) -> set[tuple[int, int, str]]:
    """The entities of a legal sequence: start, end, label."""
    starts = [i for i, tag in enumerate(tags) if names[tag].startswith("B-")]
    found = set()
    for start in starts:
        end = start + 1
        while end < len(tags) and names[tags[end]].startswith("I-"):
            end += 1
        found.add((start, end, names[tags[start]][2:]))
    return found


class BruteForce:
    """The distribution of `crf` over the tag sequences of one doc, `emissions` [n_words, n_tags]."""

    def __init__(self, crf: CRF, emissions: Tensor) -> None:
        n_words, n_tags = emissions.shape
        names = tag_names(LABELS[: (n_tags - 1) // 2])
        transitions, start, end, scores = (
            tensor.detach().double().numpy()
            for tensor in (crf.transitions, crf.start_transitions, crf.end_transitions, emissions)
        )
        every = list(product(range(n_tags), repeat=n_words))
        self.names = names
        self.sequences = [tags for tags in every if is_legal(tags, names)]
        tags = np.asarray(self.sequences)
        logits = start[tags[:, 0]] + end[tags[:, -1]] + scores[np.arange(n_words), tags].sum(axis=1)
        logits += transitions[tags[:, :-1], tags[:, 1:]].sum(axis=1)
        weights = np.exp(logits - logits.max())
        self.probabilities = weights / weights.sum()

    def best(self) -> list[int]:
        return list(self.sequences[int(self.probabilities.argmax())])

    def marginals(self) -> np.ndarray:
        one_hot = np.eye(len(self.names))[np.asarray(self.sequences)]
        return np.einsum("s,swt->wt", self.probabilities, one_hot)

    def span_probability(self, entity: tuple[int, int, str]) -> float:
        pairs = zip(self.sequences, self.probabilities, strict=True)
        return sum(p for tags, p in pairs if entity in entities(tags, self.names))
