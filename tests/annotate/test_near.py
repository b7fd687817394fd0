"""Texts that say nearly the same are found: all of them, and no others."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.annotate.near import NearDuplicates


def test_the_same_words_are_the_same_text() -> None:
    known = NearDuplicates()
    known.add("Call Ida on Friday, please!")
    assert known.find("please call IDA on Friday") == "Call Ida on Friday, please!"
    assert known.find("Call Tomas on Friday, please!") == "Call Ida on Friday, please!"
    assert known.find("Will it rain on Friday?") is None
    assert known.find("") is None
    known.add("?!")
    assert (known.find(" ?! "), known.find("!!")) == ("?!", None)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="abcdef ", min_size=1, max_size=14), max_size=12), st.sampled_from([0.4, 0.6, 0.9]))
def test_comparing_each_with_each_finds_the_same(texts: list[str], threshold: float) -> None:
    known = NearDuplicates(threshold)

    def words(text: str) -> set[str]:
        return set(re.findall(r"\w+", text)) or {text.strip()}

    seen: list[str] = []
    for text in texts:
        alike = [o for o in seen if len(words(text) & words(o)) >= threshold * len(words(text) | words(o))]
        assert known.find(text) == next(iter(alike), None)
        known.add(text)
        seen.append(text)
