"""The splits come from a folder or from a data set with the layout of the Hub's, and are the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spacy_llama_ner.data import conll2003
from spacy_llama_ner.data.conll import Document, Sentence
from spacy_llama_ner.data.conll2003 import read_folder, read_hub

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
    monkeypatch.setattr(conll2003, "HUB_NAME", str(tmp_path / "hub"))
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


def documents(folder: Path | None = None) -> dict[str, list[Document]]:
    splits = read_hub() if folder is None else read_folder(folder)
    return {name: found for name, found, _ in splits}


def test_a_folder_gives_three_splits(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        text = f"-DOCSTART- -X- -X- O\n\n{name} NN I-NP I-ORG\n"
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    assert documents(tmp_path) == {
        split: [[Sentence([name], ["B-ORG"], ["NN"], ["B-NP"])]]
        for split, name in (("train", "train"), ("dev", "valid"), ("test", "test"))
    }


def test_a_folder_without_the_files_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "train.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"has no valid\.txt, test\.txt\. Give a folder"):
        next(read_folder(tmp_path))


def test_the_hub_gives_names_for_numbers(hub: Path) -> None:
    write_hub(hub, [ADA, STOP])
    assert documents() == {split: [[ADA_READ, STOP_READ]] for split in ("train", "dev", "test")}


def test_docstart_rows_separate_documents(hub: Path) -> None:
    write_hub(hub, [DOC_START, ADA, STOP, DOC_START, DOC_START, STOP])
    assert documents()["dev"] == [[ADA_READ, STOP_READ], [STOP_READ]]


def test_dirty_rows_are_told(hub: Path) -> None:
    write_hub(hub, [ADA, ([], [], [], []), (["Low"], [1], [1], [2])])
    for _, found, report in read_hub():
        assert found == [[ADA_READ, Sentence(["Low"], ["B-PER"], ["NNP"], ["B-NP"])]]
        assert [(p.at, p.problem, p.action) for p in report.problems] == [
            (2, "empty sentence", "rejected"),
            (3, "I- without B-", "repaired"),
        ]


def test_columns_without_names_are_refused(hub: Path) -> None:
    from datasets import Sequence, Value

    write_hub(hub, [ADA], ner=Sequence(Value("int64")))
    with pytest.raises(ValueError, match="no column 'ner_tags' with named class labels"):
        documents()


def test_a_missing_split_is_refused(hub: Path) -> None:
    write_hub(hub, [ADA])
    (hub / "conll2003" / "test" / "0000.parquet").unlink()
    with pytest.raises(ValueError, match="no split 'test', only train, validation"):
        documents()


def test_a_data_set_out_of_reach_says_what_else_to_do(hub: Path) -> None:
    with pytest.raises(OSError, match=r"cannot be had from the Hub.*give a folder"):
        documents()


def test_without_datasets_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'spacy_llama_ner\[project\]'"):
        documents()
