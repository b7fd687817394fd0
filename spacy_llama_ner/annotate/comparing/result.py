"""What is compared, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

NONE = "none"


@dataclass(frozen=True)
class Variant:
    """One way to get labels.

    prompt: name or path. examples: how they are chosen, "none" without any. model: as the log names it.
    """

    prompt: str
    examples: str
    model: str


@dataclass(frozen=True)
class Result:
    """What came out of asking about all texts of a sample.

    p, r, f: strict scores of whole entities, 0 to 1. low, high: the 95% interval of `f`.
    per_type: p, r and f by label.
    texts, lost: all texts, and those without a usable reply, which count as texts without entities.
    unanswered: of the lost ones, those without any reply, by the reason.
    replies, rejected: all replies, and by reason those that could not be used.
    seconds: of all requests that brought a reply; requests under way at the same time all count.
    cost: of all tokens; None without prices.
    """

    variant: Variant
    p: float
    r: float
    f: float
    low: float
    high: float
    per_type: Mapping[str, Mapping[str, float]]
    texts: int
    lost: int
    replies: int
    rejected: Mapping[str, int]
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: float | None
    unanswered: Mapping[str, int] = field(default_factory=dict)

    @property
    def unusable(self) -> float | None:
        """Share of the replies that could not be used; None where there are none."""
        return sum(self.rejected.values()) / self.replies if self.replies else None

    @property
    def tokens(self) -> int:
        """Of input and output."""
        return self.input_tokens + self.output_tokens

    def to_dict(self) -> dict[str, Any]:
        """The same as plain types; the parse-failure rate is `unusable`."""
        fields = asdict(self)
        return {**fields.pop("variant"), **fields, "unusable": self.unusable}


def short_names(variants: Sequence[Variant]) -> list[str]:
    """A name for each, of the parts in which they differ."""
    rows = [(each.prompt, "zero-shot" if each.examples == NONE else each.examples, each.model) for each in variants]
    differ = [len(set(column)) > 1 for column in zip(*rows, strict=True)]
    if not any(differ):
        return [row[0] for row in rows]
    return [", ".join(part for part, tells in zip(row, differ, strict=True) if tells) for row in rows]
