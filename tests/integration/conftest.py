"""The trained pipelines of `tests/pipeline`, for tests of several modules together."""

from __future__ import annotations

from tests.pipeline.conftest import blank, nlp, people_and_days, trained, trained_folder

__all__ = ["blank", "nlp", "people_and_days", "trained", "trained_folder"]
