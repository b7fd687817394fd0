"""Which tool a record comes from."""

from __future__ import annotations

import pytest

from spacy_llama_ner.experts.formats import guess_task_format
from tests.experts.exported import TOOLS, records


@pytest.mark.parametrize("name", [name for name in TOOLS if "numbers" not in name])
def test_every_record_tells_its_tool(name: str) -> None:
    assert {guess_task_format(record).name for record in records(name)} == {TOOLS[name]}


@pytest.mark.parametrize("record", [{}, {"text": "a"}, [], None, {"text": "a", "spans": []}])
def test_a_record_of_nowhere_tells_none(record: object) -> None:
    assert guess_task_format(record) is None
