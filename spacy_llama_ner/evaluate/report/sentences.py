"""The section with the worst sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..compare import Judgement
from ..marked import KEY, render_pair
from ..parts import worst_sentences
from .sections import Section, note


def sentences_section(judged: Sequence[Judgement], *, limit: int, hues: Mapping[str, int]) -> Section:
    """Sentences with errors, the worst first, at most `limit` of them."""
    found = worst_sentences(judged)
    shown = found[:limit]
    told = "Most errors first, then those of whose wrong entities the model was most sure. "
    if not found:
        told = "No sentence has an error. "
    elif len(shown) < len(found):
        left = len(found) - len(shown)
        told += f"{len(shown):,} of {len(found):,} sentences with errors are shown, {left:,} left out. "
    pairs = "".join(render_pair(part, hues=hues) for part in shown)
    return Section("sentences", "Worst sentences", f'{note(told + KEY)}<div class="stacked">{pairs}</div>')
