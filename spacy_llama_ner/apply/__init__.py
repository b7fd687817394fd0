"""A pipeline applied to corpora of any size, part by part, so that a run can be stopped and taken up again."""

from .formats import ApplyError, InputPart
from .job import ApplyJob, find_files, open_folder, pipeline_digest, run_part

__all__ = ["ApplyError", "ApplyJob", "InputPart", "find_files", "open_folder", "pipeline_digest", "run_part"]
