"""The benchmark that sets runs of active learning beside each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import srsly

from benchmarks import active


def write_run(folder: Path, *rounds: tuple[int, float]) -> str:
    """What `active-learn` leaves behind: words of gold and F1 of each round, and the seconds that it took."""
    lines = [{"gold": {"words": words}, "dev": {"ents_f": f}} for words, f in rounds]
    folder.mkdir()
    srsly.write_jsonl(folder / "history.jsonl", lines)
    for number in range(len(rounds)):
        (folder / "rounds" / f"{number:03}").mkdir(parents=True)
        seconds = {"train": 100.0, "evaluate": 10.0} | ({"choose": 30.0 * number} if number else {})
        srsly.write_json(folder / "rounds" / f"{number:03}" / "seconds.json", seconds)
    return str(folder)


def test_runs_of_active_learning_are_averaged_round_by_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run(tmp_path / "mnlp-0", (0, 0.5), (990, 0.7), (1990, 0.8)),
        write_run(tmp_path / "mnlp-1", (0, 0.5), (1010, 0.8)),
        write_run(tmp_path / "random-0", (0, 0.5), (1000, 0.7), (2000, 0.75)),
    ]
    chart = tmp_path / "chart.svg"
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs, "--full", "0.9", "--chart", str(chart)])
    active.main()
    told = capsys.readouterr().out
    assert "| 1 | 1,000 | 75.00 ± 7.07 | 70.00 ± 0.00 |" in told
    # one of the seeds is not so far yet
    assert "| 2 | 2,000 |  | 75.00 ± 0.00 |" in told
    assert "Medians of 5 rounds." in told and "| choose | 30 |" in told
    assert "all training data" in chart.read_text(encoding="utf8")


def test_a_table_has_all_methods_and_a_chart_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("mnlp", "margin", "bald", "longest", "random")
    runs = [write_run(tmp_path / f"{name}-0", (0, 0.5), (1000, 0.7)) for name in names]
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs])
    active.main()
    assert "| round | words of gold | mnlp | margin | bald | longest | random |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs, "--chart", str(tmp_path / "chart.svg")])
    with pytest.raises(SystemExit):
        active.main()
    assert "5 methods are too many for one chart" in capsys.readouterr().err
