"""CoNLL columns, clean or not, become documents of sentences, and these become docs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from spacy_llama_ner.data import conll
from spacy_llama_ner.data.bio_tags import doc_tags
from spacy_llama_ner.data.conll import (
    Document,
    Sentence,
    make_docs,
    read_conll,
    read_conll2003_folder,
    read_conll2003_hub,
)
from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.errors import DataError, MissingPackageError
from spacy_llama_ner.data.problems import ProblemReport

FOUR = """\
-DOCSTART- -X- -X- O

Ada NNP I-NP I-PER
sails VBZ I-VP O

Kiel NNP I-NP I-LOC
Bonn NNP B-NP B-LOC

-DOCSTART- -X- -X- O

Rain NN I-NP O
"""
TWO = "Ada B-PER\nsails O\n\nKiel B-LOC\n"


def read(tmp_path: Path, text: str | bytes, **options: set[str]) -> tuple[list[list[Sentence]], ProblemReport]:
    path = tmp_path / "input.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    report = ProblemReport(str(path), "line")
    return read_conll(path, report, **options), report


def test_four_columns_in_iob1(tmp_path: Path) -> None:
    documents, report = read(tmp_path, FOUR)
    assert documents == [
        [
            Sentence(["Ada", "sails"], ["B-PER", "O"], ["NNP", "VBZ"], ["B-NP", "B-VP"]),
            Sentence(["Kiel", "Bonn"], ["B-LOC", "B-LOC"], ["NNP", "NNP"], ["B-NP", "B-NP"]),
        ],
        [Sentence(["Rain"], ["O"], ["NN"], ["B-NP"])],
    ]
    assert not report.problems


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.rstrip("\n"),
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.replace(" ", "\t"),
        TWO.replace(" ", " \t  "),
        TWO.replace("\n\n", "\n \t\n\n   \n"),
        TWO.replace("\n", " \n"),
        "-DOCSTART- O\n" + TWO,
        "\n\n-DOCSTART-\n\n" + TWO + "\n\n\n-DOCSTART- -X- O O\n\n",
    ],
    ids=[
        "plain",
        "no last newline",
        "crlf",
        "bom",
        "tabs",
        "mixed",
        "blank lines",
        "trailing",
        "docstart",
        "docstarts",
    ],
)
def test_two_columns_in_every_layout(tmp_path: Path, text: str) -> None:
    documents, report = read(tmp_path, text)
    assert documents == [[Sentence(["Ada", "sails"], ["B-PER", "O"]), Sentence(["Kiel"], ["B-LOC"])]]
    assert not report.problems


def test_docstart_ends_a_sentence_without_a_blank_line(tmp_path: Path) -> None:
    documents, _ = read(tmp_path, "Ada B-PER\n-DOCSTART- O\nKiel B-LOC\n")
    assert [[sentence.words for sentence in document] for document in documents] == [[["Ada"]], [["Kiel"]]]


def test_unicode_line_breaks_and_spaces_are_part_of_a_word(tmp_path: Path) -> None:
    documents, _ = read(tmp_path, "10\u00a0000 O\na\u2028b O\n\x85 B-X\n")
    assert documents[0][0].words == ["10\u00a0000", "a\u2028b", "\x85"]


def test_comments_before_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    [[one, two]], report = read(tmp_path, "# id 7 domain=en\nBo _ _ B-PER\n\n# _ _ O\n1 _ _ O\n")
    assert (one.words, two.words) == (["Bo"], ["#", "1"])
    assert [(p.at, p.problem, p.action) for p in report.problems] == [(1, "comment", "repaired")]


def test_dirty_tags_are_repaired_and_counted_by_line(tmp_path: Path) -> None:
    documents, report = read(tmp_path, "Ada B-PER\nsails [CLS]\n\nnear O\nKiel I-LOC\n")
    assert [sentence.ner for sentence in documents[0]] == [["B-PER", "O"], ["O", "B-LOC"]]
    assert [(p.at, p.problem, p.action) for p in report.problems] == [
        (2, "unknown tag", "repaired"),
        (5, "I- without B-", "repaired"),
    ]
    assert report.problems[1].detail == "'Kiel': I-LOC became B-LOC"


def test_other_labels_than_the_allowed_are_dropped_and_counted(tmp_path: Path) -> None:
    documents, report = read(tmp_path, TWO, labels={"PER"})
    assert [sentence.ner for sentence in documents[0]] == [["B-PER", "O"], ["O"]]
    assert [(p.at, p.problem) for p in report.problems] == [(4, "label not allowed")]


def test_a_malformed_line_rejects_its_sentence_and_no_other(tmp_path: Path) -> None:
    documents, report = read(tmp_path, "lost\nwords O\n\nAda B-PER\n\na b c O\n\nKiel B-LOC\n")
    assert [sentence.words for sentence in documents[0]] == [["Ada"], ["Kiel"]]
    assert [(p.at, p.problem, p.action) for p in report.problems] == [
        (1, "malformed line", "rejected"),
        (6, "malformed line", "rejected"),
    ]
    assert "4 columns, not 2" in report.problems[1].detail


@pytest.mark.parametrize("text", ["", "\n\n", "Plain prose without any tags.\n", "-DOCSTART- -X- -X- O\n"])
def test_files_that_are_not_conll_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="not in CoNLL format"):
        read(tmp_path, text)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not UTF-8"):
        read(tmp_path, "Köln B-LOC\n".encode("latin-1"))


NER = ["O", "B-PER", "I-PER"]
POS = [".", "NNP", "VBZ"]
CHUNKS = ["O", "B-NP", "I-NP", "B-VP"]
DOC_START = (["-DOCSTART-"], [0], [0], [0])
ADA = (["Ada", "Low", "sails"], [1, 1, 2], [1, 2, 3], [1, 2, 0])
STOP = (["."], [0], [0], [0])

ADA_READ = Sentence(["Ada", "Low", "sails"], ["B-PER", "I-PER", "O"], ["NNP", "NNP", "VBZ"], ["B-NP", "I-NP", "B-VP"])
STOP_READ = Sentence(["."], ["O"], ["."], ["O"])

Row = tuple[list[str], list[int], list[int], list[int]]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for the data set; the caches go where the test's other files are."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(conll, "HUB_NAME", str(tmp_path / "hub"))
    datasets.disable_progress_bars()
    return tmp_path / "hub"


def write_hub(folder: Path, rows: list[Row], ner: object = None) -> None:
    """Write parquet files in the layout of the converted branch, with the same rows for each split."""
    import datasets
    from datasets import ClassLabel, Features, Sequence, Value

    features = Features(
        {
            "id": Value("string"),
            "tokens": Sequence(Value("string")),
            "pos_tags": Sequence(ClassLabel(names=POS)),
            "chunk_tags": Sequence(ClassLabel(names=CHUNKS)),
            "ner_tags": ner or Sequence(ClassLabel(names=NER)),
        }
    )
    columns = ("tokens", "pos_tags", "chunk_tags", "ner_tags")
    records = [{"id": str(i), **dict(zip(columns, row, strict=True))} for i, row in enumerate(rows)]
    for split in ("train", "validation", "test"):
        path = folder / "conll2003" / split / "0000.parquet"
        path.parent.mkdir(parents=True)
        datasets.Dataset.from_list(records, features=features).to_parquet(path)


def read_splits(folder: Path | None = None) -> dict[str, list[Document]]:
    splits = read_conll2003_hub() if folder is None else read_conll2003_folder(folder)
    return {name: found for name, found, _ in splits}


def test_a_folder_gives_three_splits(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        text = f"-DOCSTART- -X- -X- O\n\n{name} NN I-NP I-ORG\n"
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    assert read_splits(tmp_path) == {
        split: [[Sentence([name], ["B-ORG"], ["NN"], ["B-NP"])]]
        for split, name in (("train", "train"), ("dev", "valid"), ("test", "test"))
    }


def test_a_folder_without_the_files_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"has no valid\.txt, test\.txt\. Give a folder"):
        next(read_conll2003_folder(tmp_path))


def test_the_hub_gives_names_for_numbers(hub: Path) -> None:
    write_hub(hub, [ADA, STOP])
    assert read_splits() == {split: [[ADA_READ, STOP_READ]] for split in ("train", "dev", "test")}


def test_docstart_rows_separate_documents(hub: Path) -> None:
    write_hub(hub, [DOC_START, ADA, STOP, DOC_START, DOC_START, STOP])
    assert read_splits()["dev"] == [[ADA_READ, STOP_READ], [STOP_READ]]


def test_dirty_rows_are_reported(hub: Path) -> None:
    write_hub(hub, [ADA, ([], [], [], []), (["Low"], [1], [1], [2])])
    for _, found, report in read_conll2003_hub():
        assert found == [[ADA_READ, Sentence(["Low"], ["B-PER"], ["NNP"], ["B-NP"])]]
        assert [(p.at, p.problem, p.action) for p in report.problems] == [
            (2, "empty sentence", "rejected"),
            (3, "I- without B-", "repaired"),
        ]


def test_columns_without_names_are_refused(hub: Path) -> None:
    from datasets import Sequence, Value

    write_hub(hub, [ADA], ner=Sequence(Value("int64")))
    with pytest.raises(DataError, match="no column 'ner_tags' with named class labels"):
        read_splits()


def test_a_missing_split_is_refused(hub: Path) -> None:
    write_hub(hub, [ADA])
    (hub / "conll2003" / "test" / "0000.parquet").unlink()
    with pytest.raises(DataError, match="no split 'test', only train, validation"):
        read_splits()


def test_without_a_connection_the_message_says_what_else_to_do(hub: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be loaded from the Hub.*give a folder"):
        read_splits()


def test_without_datasets_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'spacy_llama_ner\[project\]'"):
        read_splits()


DOCUMENTS = [
    [
        Sentence(["Ada", "can't", "swim"], ["B-PER", "O", "O"], ["NNP", "MD", "VB"], ["B-NP", "B-VP", "I-VP"]),
        Sentence(["New", "York"], ["B-LOC", "I-LOC"], ["NNP", "NNP"], ["B-NP", "I-NP"]),
        Sentence(["!"], ["O"], ["."], ["O"]),
    ],
    [Sentence(["Rain"], ["O"], ["NN"], ["B-NP"])],
]


def saved(docs: list[Doc], path: Path) -> list[Doc]:
    write_docbin(docs, path)
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def make(sents: int) -> list[Doc]:
    return list(make_docs(DOCUMENTS, spacy.blank("en").vocab, sents=sents))


@pytest.mark.parametrize(
    ("sents", "words"),
    [(1, [3, 2, 1, 1]), (2, [5, 1, 1]), (3, [6, 1]), (50, [6, 1]), (0, [6, 1])],
)
def test_docs_of_n_sentences_stay_inside_documents(sents: int, words: list[int]) -> None:
    assert [len(doc) for doc in make(sents)] == words


def test_annotation_is_complete_and_survives_saving(tmp_path: Path) -> None:
    doc = saved(make(0), tmp_path / "a.spacy")[0]
    assert doc_tags(doc) == ["B-PER", "O", "O", "B-LOC", "I-LOC", "O"]
    assert [token.tag_ for token in doc] == ["NNP", "MD", "VB", "NNP", "NNP", "."]
    assert [sent.text for sent in doc.sents] == ["Ada can't swim", "New York", "!"]
    assert [(chunk.text, chunk.label_) for chunk in doc.spans["chunks"]] == [
        ("Ada", "NP"),
        ("can't swim", "VP"),
        ("New York", "NP"),
    ]


def test_a_word_without_annotation_stays_one(tmp_path: Path) -> None:
    documents = [[Sentence(["Kiel", "or", "Bonn"], ["B-LOC", "O", "-"])]]
    (doc,) = saved(list(make_docs(documents, spacy.blank("en").vocab)), tmp_path / "a.spacy")
    assert doc_tags(doc) == ["B-LOC", "O", "-"]


def test_without_columns_there_are_no_tags_and_chunks() -> None:
    doc = next(make_docs([[Sentence(["Kiel"], ["B-LOC"])]], spacy.blank("en").vocab))
    assert not doc.has_annotation("TAG")
    assert "chunks" not in doc.spans
    assert doc.has_annotation("SENT_START")


def test_spacys_reader_keeps_the_words(tmp_path: Path) -> None:
    saved(make(1), tmp_path / "a.spacy")
    nlp = spacy.blank("en")
    assert len(nlp("can't")) == 2
    example = next(iter(Corpus(tmp_path / "a.spacy")(nlp)))
    assert [token.text for token in example.predicted] == ["Ada", "can't", "swim"]


def test_negative_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="`sents` is -1"):
        make(-1)
