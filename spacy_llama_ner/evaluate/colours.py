"""One hue a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from zlib import crc32

# degrees on the colour circle; red is left out, since it marks errors
_HUES = (30, 55, 85, 120, 150, 175, 200, 225, 250, 275, 300, 325)
# degrees; those before and after red are further apart
_CLOSE = 35
# no divisor of their number, so that the search visits every hue, and far from where it began
_STEP = 5
# with it, the labels of the requests data get hues far from each other, and those of CoNLL-2003 too
_SALT = "qd"


def label_hues(labels: Iterable[str]) -> dict[str, int]:
    """A hue for each label, in degrees, the same on every run and every page.

    It depends on the label alone, but where two labels ask for one hue, or for two that lie side by side: there the
    later takes the next that is free, if it can one whose neighbours are free too. From the thirteenth label on, hues
    come back.
    """
    hues: dict[str, int] = {}
    for label in dict.fromkeys(labels):
        wish = crc32(f"{_SALT}{label}".encode())
        choices = [_HUES[(wish + _STEP * i) % len(_HUES)] for i in range(len(_HUES))]
        free = [hue for hue in choices if hue not in hues.values()]
        apart = [hue for hue in free if all(abs(hue - other) > _CLOSE for other in hues.values())]
        hues[label] = [*apart, *free, *choices][0]
    return hues


def label_mark(label: str, hues: Mapping[str, int]) -> str:
    """A label in its colour, as HTML."""
    return f'<mark style="--hue: {hues[label]}">{escape(label)}</mark>'
