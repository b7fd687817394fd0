"""`convert`, `conll2003` and `pair` write .spacy files, and say what was wrong with their input."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.cli import convert
from spacy_llama_ner.cli.convert import CorpusFormat, guess_corpus_format
from spacy_llama_ner.data.conll import Document, Sentence
from spacy_llama_ner.data.problems import ProblemReport
from tests.cli.helpers import fails, read_docs, run, succeeds
from tests.evaluate.sample import GOLD, write_corpus

CONLL = "-DOCSTART- O\n\nAda B-PER\nsails O\n\nKiel I-LOC\n\n-DOCSTART- O\n\nRain [CLS]\n"
RECORDS = [
    {"text": "Call Ann at 6pm.", "labels": [["Ann", "B-NAME"], ["6", "B-TIME"], ["pm", "I-TIME"]]},
    {"text": "Stop.", "labels": [["Zoe", "B-NAME"]]},
]


def entities(path: Path) -> list[list[tuple[str, str]]]:
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in read_docs(path)]


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
    said = succeeds("convert", conll, output)
    assert entities(output) == [[("Ada", "PER")], [("Kiel", "LOC")], []]
    for text in (
        "3 docs, 3 sentences, 4 tokens, 2 entities",
        ": 2, listed in train.spacy.problems.jsonl",
        "I- without B-",
        "unknown tag",
    ):
        assert text in said
    problems = list(srsly.read_jsonl(tmp_path / "new" / "train.spacy.problems.jsonl"))
    assert [(problem["line"], problem["action"]) for problem in problems] == [(6, "repaired"), (10, "repaired")]


@pytest.mark.parametrize(("n_sents", "docs"), [(1, 3), (2, 2), (0, 2)])
@pytest.mark.parametrize("option", ["--n-sents", "-n"])
def test_several_sentences_become_one_doc(conll: Path, tmp_path: Path, option: str, n_sents: int, docs: int) -> None:
    succeeds("convert", conll, tmp_path / "a.spacy", option, n_sents)
    assert len(read_docs(tmp_path / "a.spacy")) == docs


def test_requests_into_a_folder(requests: Path, tmp_path: Path) -> None:
    said = succeeds("convert", requests, tmp_path / "out")
    assert entities(tmp_path / "out" / "data.spacy") == [[("Ann", "NAME"), ("6pm", "TIME")], []]
    for text in ("2 docs, 8 tokens, 2 entities", ": 1, listed in", "piece not in text", "rejected"):
        assert text in said
    [problem] = srsly.read_jsonl(tmp_path / "out" / "data.spacy.problems.jsonl")
    assert problem["record"] == 2


def test_several_files_into_a_folder(conll: Path, requests: Path, tmp_path: Path) -> None:
    sources = [conll, requests.rename(tmp_path / "other.json")]
    succeeds("convert", *sources, tmp_path / "corpus")
    for source in sources:
        succeeds("convert", source, tmp_path / f"{source.stem}.spacy")
        both = tmp_path / "corpus" / f"{source.stem}.spacy"
        assert entities(both) == entities(tmp_path / f"{source.stem}.spacy")


def test_several_files_need_a_folder_and_different_names(conll: Path, requests: Path, tmp_path: Path) -> None:
    other = requests.rename(tmp_path / "other.json")
    assert "Give a folder for them" in fails("convert", conll, other, tmp_path / "both.spacy")
    assert "have the same name" in fails("convert", conll, conll, tmp_path / "corpus")
    assert not (tmp_path / "both.spacy").exists() and not (tmp_path / "corpus").exists()


def test_clean_data_leaves_no_list_of_problems(requests: Path, tmp_path: Path) -> None:
    succeeds("convert", requests, tmp_path / "out")
    requests.write_text(json.dumps(RECORDS[:1]), encoding="utf-8")
    assert "Problem" not in succeeds("convert", requests, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data.spacy"]


def test_labels(requests: Path, tmp_path: Path) -> None:
    said = succeeds("convert", requests, tmp_path / "a.spacy", "--labels", "NAME, DATE")
    assert entities(tmp_path / "a.spacy")[0] == [("Ann", "NAME")]
    assert "label not allowed" in said


def test_lang_chooses_the_tokenizer(requests: Path, tmp_path: Path) -> None:
    succeeds("convert", requests, tmp_path / "a.spacy", "--lang", "xx")
    assert [token.text for token in read_docs(tmp_path / "a.spacy")[0]] == ["Call", "Ann", "at", "6pm", "."]


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
    assert guess_corpus_format(tmp_path / name) is answer


def test_a_format_that_is_given_wins(conll: Path, tmp_path: Path) -> None:
    renamed = conll.rename(tmp_path / "data.json")
    succeeds("convert", renamed, tmp_path / "a.spacy", "--format", "conll")
    assert len(read_docs(tmp_path / "a.spacy")) == 3


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.txt", "Plain prose, no tags at all.\n", (), "is not in CoNLL format"),
        ("a.txt", "", (), "is not in CoNLL format"),
        ("a.txt", b"Ada B-PER\nZo\xeb B-PER\n", (), "is not UTF-8"),
        ("a.json", "", (), "no usable text"),
        ("a.json", "[]", (), "no usable text"),
        ("a.json", '[{"text": ', (), "not valid JSON"),
        ("a.json", b'[{"text": "Zo\xeb"}]', (), "is not UTF-8"),
        ("a.json", "[" * 100_000, (), "not valid JSON"),
        ("a.json", '{"no": "text"}', (), "listed in out.spacy.problems.jsonl"),
        ("a.json", json.dumps(RECORDS), ("--n-sents", "2"), "--n-sents 2 is for CoNLL"),
        ("a.json", json.dumps(RECORDS), ("--lang", "zz"), "spaCy has no language 'zz'. Give a code such as en"),
    ],
)
def test_unusable_input_is_a_clear_failure(
    tmp_path: Path, name: str, text: str | bytes, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert message in fails("convert", tmp_path / name, tmp_path / "out.spacy", *options)
    assert not (tmp_path / "out.spacy").exists()


def test_a_file_of_another_kind_is_not_overwritten(conll: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    assert "does not end in .spacy" in fails("convert", conll, other)
    assert other.read_text(encoding="utf-8") == "mine"


START = "-DOCSTART- -X- -X- O\n\n"
TEXT = f"{START}Ada NNP I-NP I-PER\n\nsails VBZ I-VP O\n\n{START}Kiel NNP I-NP I-LOC\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("n_sents", "docs"), [(1, 3), (2, 2), (0, 2)])
def test_conll2003_has_three_splits(folder: Path, tmp_path: Path, n_sents: int, docs: int) -> None:
    said = succeeds("conll2003", tmp_path / "out", "--folder", folder, "--n-sents", n_sents)
    assert said.count(f"{docs} docs, 3 sentences, 3 tokens, 2 entities") == 3
    for name in ("train", "dev", "test"):
        found = entities(tmp_path / "out" / f"{name}.spacy")
        assert [ent for ents in found for ent in ents] == [("Ada", "PER"), ("Kiel", "LOC")]


def test_a_folder_without_the_files_is_a_clear_failure(tmp_path: Path) -> None:
    said = fails("conll2003", tmp_path / "out", "--folder", tmp_path)
    assert "has no train.txt, valid.txt, test.txt" in said


def test_lost_document_boundaries_allow_single_sentences_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_boundaries() -> Iterator[tuple[str, list[Document], ProblemReport]]:
        yield "train", [[Sentence(["Ada"], ["B-PER"]), Sentence(["Kiel"], ["B-LOC"])]], ProblemReport("hub/train")

    monkeypatch.setattr(convert, "read_conll2003_hub", without_boundaries)
    assert "has no -DOCSTART- boundaries" in fails("conll2003", tmp_path / "docs", "--n-sents", 0)
    assert not (tmp_path / "docs").exists()
    assert "2 docs, 2 sentences" in succeeds("conll2003", tmp_path / "sentences")


SILVER = [
    (GOLD[2][0], [("Tomas", "NAME"), ("noon", "DATE")]),
    (GOLD[0][0], [("Ida Holm", "NAME")]),
    ("Nobody knows this.", [("Nobody", "NAME")]),
]


def labels(path: Path) -> list[tuple[str, list[str]]]:
    return [(doc.text, [ent.label_ for ent in doc.ents]) for doc in read_docs(path)]


@pytest.fixture
def silver(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "found.spacy", SILVER)


def test_pairs_are_in_the_order_of_silver(silver: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    result = run("pair", silver, corpus, folder, "--output", tmp_path / "agreement.json")
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
        (["packed.spacy", "gold.spacy", "both"], "packed.spacy cannot be read"),
        (["found.spacy", "gold.spacy", "both", "--output", "taken"], "The output taken is a folder"),
        (["found.spacy", "gold.spacy", "."], "gold.spacy would be written over, but it is an input"),
        (["found.spacy", "gold.spacy", "both", "-o", "other.spacy"], "other.spacy does not end in .json"),
    ],
)
def test_what_cannot_be_paired_is_said(
    args: list[str], said: str, silver: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "other.spacy", SILVER[2:])
    (tmp_path / "torn.spacy").write_bytes(corpus.read_bytes()[:-40])
    (tmp_path / "packed.spacy").write_bytes(zlib.compress(srsly.msgpack_dumps(["no", "docs"])))
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    assert said in fails("pair", *args)
