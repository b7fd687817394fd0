"""What the commands tell of a pipeline's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.training import Example
from wasabi import msg

from ..data.files import written_whole
from ..evaluate.table import count_gold, print_change, print_scores

KEYS = ("ents_p", "ents_r", "ents_f", "ents_per_type", "ents_token_acc", "ents_ece", "parse_failures", "speed")


def tell_scores(
    found: Mapping[str, Any],
    examples: Sequence[Example],
    *,
    output: Path | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Print a table of scores, write them to `output` as JSON if there is one, and return them.

    found: what `predict_and_score` gives. `output` appears whole or not at all; missing folders are made.
    before: the same of an earlier pipeline, to be shown beside, and returned as `before`.

    Raises: OSError where `output` cannot be written.
    """
    scores, gold = _chosen(found), count_gold(examples)
    print_scores(scores, gold, msg=msg)
    if before is not None:
        scores["before"] = _chosen(before)
        print_change(scores["before"], scores, gold, msg=msg)
    if output is not None:
        with written_whole(output) as partial:
            srsly.write_json(partial, scores)
        msg.good(f"Scores are in {output}")
    return scores


def _chosen(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in KEYS if key in found}
