"""A pipeline applied to corpora of any size, part by part, so that a run can be stopped and resumed."""

from .formats import ApplyError, InputPart
from .job import ApplyJob, find_inputs, open_output, pipeline_digest, run_part

__all__ = ["ApplyError", "ApplyJob", "InputPart", "find_inputs", "open_output", "pipeline_digest", "run_part"]
