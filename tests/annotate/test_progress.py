"""What a run shows and counts."""

from __future__ import annotations

import pytest

from spacy_llama_ner.annotate.chat import Reject, Reply
from spacy_llama_ner.annotate.progress import Progress

REPLY = Reply("x", input_tokens=1000, output_tokens=50, seconds=0.1)


class Cents:
    """One for a thousand tokens in, two for a hundred out."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return input_tokens / 1000 + output_tokens / 50


def test_the_bar_has_rate_tokens_and_cost_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=2, unit="texts", prices=Cents())
    assert capsys.readouterr().err == "", "nothing is shown before it starts"
    progress.start()
    for logged, failed in ((False, False), (True, True)):
        progress.got(REPLY, logged=logged)
        progress.settled(failed=failed)
    progress.say("a word in between")
    progress.close()
    shown = capsys.readouterr().err
    assert "texts/s" in shown and "2/2" in shown
    assert "2,000+100 tokens, cost 4.00, 1 failed" in shown
    assert "a word in between" in shown


def test_without_a_unit_it_counts_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start()
    progress.expect(3)
    progress.got(REPLY, logged=False)
    progress.rejected(Reject("no JSON", "abc"))
    progress.rejected(Reject("no JSON", "def"))
    progress.troubled("HTTP 500")
    progress.settled(failed=True)
    progress.close()
    assert capsys.readouterr() == ("", "")
    tally = progress.tally
    assert (tally.asked, tally.logged, tally.settled, tally.failed) == (1, 0, 1, 1)
    assert (dict(tally.rejected), dict(tally.trouble)) == ({"no JSON": 2}, {"HTTP 500": 1})
    assert progress.cost is None


def test_what_is_to_come_can_grow(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(total=0, unit="questions")
    progress.start()
    progress.expect(2)
    progress.expect(3)
    progress.settled(failed=False)
    progress.close()
    assert "1/5" in capsys.readouterr().err
