"""`spacy llama-ner convert` turns files into DocBins and tells what it did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli import convert as conll2003
from spacy_llama_ner.cli.app import app
from spacy_llama_ner.cli.convert import CorpusFormat, guess_format
from spacy_llama_ner.data.conll import Document, Sentence
from spacy_llama_ner.data.problems import ProblemReport
from tests.evaluate.sample import GOLD, write_corpus

CONLL = "-DOCSTART- O\n\nAda B-PER\nsails O\n\nKiel I-LOC\n\n-DOCSTART- O\n\nRain [CLS]\n"
RECORDS = [
    {"text": "Call Ann at 6pm.", "labels": [["Ann", "B-NAME"], ["6", "B-TIME"], ["pm", "I-TIME"]]},
    {"text": "Stop.", "labels": [["Zoe", "B-NAME"]]},
]


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, args)])


def printed(result: Result) -> str:
    """The output without the line breaks that depend on the length of paths."""
    return " ".join(result.output.split())


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def entities(path: Path) -> list[list[tuple[str, str]]]:
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in load(path)]


@pytest.fixture
def conll(tmp_path: Path) -> Path:
    path = tmp_path / "data.iob"
    path.write_text(CONLL, encoding="utf-8")
    return path


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(RECORDS), encoding="utf-8")
    return path


def test_conll(conll: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "train.spacy"
    result = run(conll, output)
    assert result.exit_code == 0, result.output
    assert entities(output) == [[("Ada", "PER")], [("Kiel", "LOC")], []]
    for text in (
        "3 docs, 3 sentences, 4 tokens, 2 entities",
        ": 2, listed in train.spacy.problems.jsonl",
        "I- without B-",
        "unknown tag",
    ):
        assert text in printed(result)
    problems = list(srsly.read_jsonl(tmp_path / "new" / "train.spacy.problems.jsonl"))
    assert [(problem["line"], problem["action"]) for problem in problems] == [
        (6, "repaired"),
        (10, "repaired"),
    ]


@pytest.mark.parametrize(("sents", "docs"), [(1, 3), (2, 2), (0, 2)])
def test_sents(conll: Path, tmp_path: Path, sents: int, docs: int) -> None:
    assert run(conll, tmp_path / "a.spacy", "--sents", sents).exit_code == 0
    assert len(load(tmp_path / "a.spacy")) == docs


def test_requests_into_a_folder(requests: Path, tmp_path: Path) -> None:
    result = run(requests, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert entities(tmp_path / "out" / "data.spacy") == [[("Ann", "NAME"), ("6pm", "TIME")], []]
    for text in ("2 docs, 8 tokens, 2 entities", ": 1, listed in", "piece not in text", "rejected"):
        assert text in printed(result)
    [problem] = srsly.read_jsonl(tmp_path / "out" / "data.spacy.problems.jsonl")
    assert problem["record"] == 2


def test_several_files_into_a_folder(conll: Path, requests: Path, tmp_path: Path) -> None:
    sources = [conll, requests.rename(tmp_path / "other.json")]
    result = run(*sources, tmp_path / "corpus")
    assert result.exit_code == 0, result.output
    for source in sources:
        alone = run(source, tmp_path / f"{source.stem}.spacy")
        assert alone.exit_code == 0, alone.output
        both = tmp_path / "corpus" / f"{source.stem}.spacy"
        assert entities(both) == entities(tmp_path / f"{source.stem}.spacy")


def test_several_files_need_a_folder_and_different_names(conll: Path, requests: Path, tmp_path: Path) -> None:
    one = run(conll, requests.rename(tmp_path / "other.json"), tmp_path / "both.spacy")
    assert one.exit_code == 1 and "Give a folder for them" in printed(one)
    same = run(conll, conll, tmp_path / "corpus")
    assert same.exit_code == 1 and "files of the same name" in printed(same)
    assert not (tmp_path / "both.spacy").exists() and not (tmp_path / "corpus").exists()


def test_clean_data_leaves_no_list_of_problems(requests: Path, tmp_path: Path) -> None:
    run(requests, tmp_path / "out")
    requests.write_text(json.dumps(RECORDS[:1]), encoding="utf-8")
    assert "Problem" not in printed(run(requests, tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data.spacy"]


def test_labels(requests: Path, tmp_path: Path) -> None:
    result = run(requests, tmp_path / "a.spacy", "--labels", "NAME, DATE")
    assert entities(tmp_path / "a.spacy")[0] == [("Ann", "NAME")]
    assert "label not allowed" in printed(result)


def test_lang_chooses_the_tokenizer(requests: Path, tmp_path: Path) -> None:
    assert run(requests, tmp_path / "a.spacy", "--lang", "xx").exit_code == 0
    assert [token.text for token in load(tmp_path / "a.spacy")[0]] == ["Call", "Ann", "at", "6pm", "."]


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("a.json", "x O\n", CorpusFormat.requests),
        ("a.JSONL", "", CorpusFormat.requests),
        ("a.txt", "\ufeff\n" + json.dumps(RECORDS), CorpusFormat.requests),
        ("a.txt", json.dumps(RECORDS, indent=2), CorpusFormat.requests),
        ("a.txt", json.dumps(RECORDS[0], indent=2), CorpusFormat.requests),
        ("a.txt", json.dumps(RECORDS[0]), CorpusFormat.requests),
        ("a", "[]", CorpusFormat.requests),
        ("a.txt", CONLL, CorpusFormat.conll),
        ("a", "[ O\n6 O\n] O\n", CorpusFormat.conll),
        ("a.conll", "{ ( B-NP O\n", CorpusFormat.conll),
        ("a.txt", "", CorpusFormat.conll),
    ],
)
def test_auto_looks_at_the_name_and_then_at_the_first_line(
    tmp_path: Path, name: str, text: str, answer: CorpusFormat
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert guess_format(tmp_path / name) is answer


def test_a_format_that_is_given_wins(conll: Path, tmp_path: Path) -> None:
    renamed = conll.rename(tmp_path / "data.json")
    assert run(renamed, tmp_path / "a.spacy", "--format", "conll").exit_code == 0
    assert len(load(tmp_path / "a.spacy")) == 3


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.txt", "Plain prose, no tags at all.\n", (), "is not in CoNLL format"),
        ("a.txt", "", (), "is not in CoNLL format"),
        ("a.json", "", (), "no usable text"),
        ("a.json", "[]", (), "no usable text"),
        ("a.json", '[{"text": ', (), "not valid JSON"),
        ("a.json", '{"no": "text"}', (), "listed in out.spacy.problems.jsonl"),
        ("a.json", json.dumps(RECORDS), ("--sents", "2"), "is for CoNLL"),
        ("a.json", json.dumps(RECORDS), ("--lang", "zz"), "zz"),
    ],
)
def test_unusable_input_is_a_clear_failure(
    tmp_path: Path, name: str, text: str, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    result = run(tmp_path / name, tmp_path / "out.spacy", *options)
    assert result.exit_code == 1
    assert message in printed(result)
    assert not (tmp_path / "out.spacy").exists()


def test_a_file_of_another_kind_is_not_overwritten(conll: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    result = run(conll, other)
    assert result.exit_code == 1
    assert "does not end in .spacy" in printed(result)
    assert other.read_text(encoding="utf-8") == "mine"


START = "-DOCSTART- -X- -X- O\n\n"
TEXT = f"{START}Ada NNP I-NP I-PER\n\nsails VBZ I-VP O\n\n{START}Kiel NNP I-NP I-LOC\n"


def conll2003_run(*args: object) -> Result:
    return CliRunner().invoke(app, ["conll2003", *map(str, args)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("sents", "docs"), [(1, 3), (2, 2), (0, 2)])
def test_three_splits_from_a_folder(folder: Path, tmp_path: Path, sents: int, docs: int) -> None:
    result = conll2003_run(tmp_path / "out", "--folder", folder, "--sents", sents)
    assert result.exit_code == 0, result.output
    assert printed(result).count(f"{docs} docs, 3 sentences, 3 tokens, 2 entities") == 3
    for name in ("train", "dev", "test"):
        found = DocBin().from_disk(tmp_path / "out" / f"{name}.spacy").get_docs(spacy.blank("en").vocab)
        ents = [(ent.text, ent.label_) for doc in found for ent in doc.ents]
        assert ents == [("Ada", "PER"), ("Kiel", "LOC")]


def test_a_folder_without_the_files_is_a_clear_failure(tmp_path: Path) -> None:
    result = conll2003_run(tmp_path / "out", "--folder", tmp_path)
    assert result.exit_code == 1
    assert "has no train.txt, valid.txt, test.txt" in printed(result)


def test_lost_document_boundaries_allow_single_sentences_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_boundaries() -> Iterator[tuple[str, list[Document], ProblemReport]]:
        yield "train", [[Sentence(["Ada"], ["B-PER"]), Sentence(["Kiel"], ["B-LOC"])]], ProblemReport("hub/train")

    monkeypatch.setattr(conll2003, "read_hub", without_boundaries)
    result = conll2003_run(tmp_path / "docs", "--sents", 0)
    assert result.exit_code == 1
    assert "has no -DOCSTART- boundaries" in printed(result)
    assert not (tmp_path / "docs").exists()
    assert "2 docs, 2 sentences" in printed(conll2003_run(tmp_path / "sentences"))


SILVER = [
    (GOLD[2][0], [("Tomas", "NAME"), ("noon", "DATE")]),
    (GOLD[0][0], [("Ida Holm", "NAME")]),
    ("Nobody knows this.", [("Nobody", "NAME")]),
]


def pair_run(*args: object) -> Result:
    return CliRunner().invoke(app, ["pair", *map(str, args)], env={"COLUMNS": "200"})


def labels(path: Path) -> list[tuple[str, list[str]]]:
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [(doc.text, [ent.label_ for ent in doc.ents]) for doc in docs]


@pytest.fixture
def silver(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "found.spacy", SILVER)


def test_the_sentences_of_both_in_the_order_of_silver(silver: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    result = pair_run(silver, corpus, folder, "--output", tmp_path / "agreement.json")
    assert result.exit_code == 0, result.output
    assert labels(folder / "silver.spacy") == [(GOLD[2][0], ["NAME", "DATE"]), (GOLD[0][0], ["NAME"])]
    assert labels(folder / "gold.spacy") == [(GOLD[2][0], ["NAME", "TIME"]), (GOLD[0][0], ["NAME", "DATE"])]
    assert labels(folder / "agreed.spacy") == [(GOLD[2][0], ["NAME"]), (GOLD[0][0], ["NAME"])]
    agreement = json.loads((tmp_path / "agreement.json").read_text(encoding="utf8"))
    assert (agreement["docs"], agreement["unmatched"]) == (2, 1)
    assert (agreement["ents_p"], agreement["ents_r"]) == pytest.approx((2 / 3, 2 / 4))
    assert ["NAME", "100.00", "100.00", "100.00", "2"] in [line.split() for line in result.output.splitlines()]
    assert "1 docs of" in result.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere.spacy", "gold.spacy", "both"], "nowhere.spacy does not exist"),
        (["found.spacy", "nowhere.spacy", "both"], "nowhere.spacy does not exist"),
        (["other.spacy", "gold.spacy", "both"], "None of the 1 docs of other.spacy has the same words"),
        (["torn.spacy", "gold.spacy", "both"], "torn.spacy cannot be read"),
        (["found.spacy", "gold.spacy", "both", "--output", "taken"], "Cannot pair"),
        (["found.spacy", "gold.spacy", "."], "gold.spacy would be written over, but it is an input"),
    ],
)
def test_what_cannot_be_paired_is_said(
    args: list[str], said: str, silver: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "other.spacy", SILVER[2:])
    (tmp_path / "torn.spacy").write_bytes(corpus.read_bytes()[:-40])
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    result = pair_run(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.output.split())
