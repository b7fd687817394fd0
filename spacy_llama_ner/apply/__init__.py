"""A pipeline applied to corpora of any size, part by part, so that a run can be stopped and taken up again."""

from .formats import ApplyError, Part
from .job import Job, find_files, open_folder, pipeline_digest, run_part

__all__ = ["ApplyError", "Job", "Part", "find_files", "open_folder", "pipeline_digest", "run_part"]
