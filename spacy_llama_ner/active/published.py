"""What a run shows: its history, the best pipeline, and the labels that were bought."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc

from ..data.docbin import write_docbin
from ..data.files import folder_written_whole, written_whole
from .rounds import Round
from .stopping import find_best

HISTORY, BEST, GOLD, MARK = "history.jsonl", "model-best", "gold.spacy", "best.json"


def publish(output: Path, rounds: Sequence[Round], *, gold: Sequence[Doc]) -> Round:
    """Write what the rounds so far have come to; give the best one, by F1 on dev.

    history.jsonl: a line for each round. model-best: the pipeline of the best, which a round that is not better never
    replaces. gold.spacy: all labels that were bought.
    """
    history = [each.result or {} for each in rounds]
    with written_whole(output / HISTORY) as partial:
        srsly.write_jsonl(partial, history)
    if gold:
        write_docbin(gold, output / GOLD)
    best = best_of(rounds)
    mark: dict[str, Any] = {"round": best.number, "ents_f": history[best.number]["dev"]["ents_f"]}
    path = output / MARK
    if not (output / BEST).is_dir() or not path.is_file() or srsly.read_json(path) != mark:
        with folder_written_whole(output / BEST) as copy:
            shutil.copytree(best.pipeline, copy)
        with written_whole(path) as partial:
            srsly.write_json(partial, mark)
    return best


def best_of(rounds: Sequence[Round]) -> Round:
    """The best round by F1 on dev. All are over."""
    return rounds[find_best([(each.result or {})["dev"]["ents_f"] for each in rounds])]
