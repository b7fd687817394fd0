"""Fixtures of the head's tests."""

from __future__ import annotations

import pytest

from spacy_llama_ner.head import TaggingLoss
from spacy_llama_ner.head.architectures import TaggerModel
from tests.head.samples import make_tagger


@pytest.fixture
def tagger() -> TaggerModel:
    """A tagger of two labels with random transitions."""
    return make_tagger(loss=TaggingLoss(cross_entropy=0.5))
