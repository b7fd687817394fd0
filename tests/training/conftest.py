"""The trained pipelines of `tests/pipeline`, for training that goes on."""

from __future__ import annotations

from tests.pipeline.conftest import nlp, trained, trained_folder

__all__ = ["nlp", "trained", "trained_folder"]
