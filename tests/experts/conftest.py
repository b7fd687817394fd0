"""A task that a pipeline has suggested spans for."""

from __future__ import annotations

import pytest

from spacy_llama_ner.experts.records import Task, make_tasks
from tests.experts.samples import LABELS, MEETING, NLP, PEOPLE, marked, with_scores


@pytest.fixture
def task() -> Task:
    doc = with_scores(marked(MEETING, PEOPLE[0], ("Rome", "LOC"), ("Cy", "OTHER")), [0.91, 0.4, 0.1])
    (task,) = make_tasks([doc, doc, NLP.make_doc("  ")], LABELS)
    return task
