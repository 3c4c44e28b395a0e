"""Prompts from CSV, TSV, one JSON document and Parquet, under the keys of other projects too; pairs of unequal length."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from circuitdsl.prompts import data_files

KEYS = ("clean", "counterfactual", "answer", "wrong", "noun")
ROWS = (
    ("the key to the cabinets", "the keys to the cabinets", " is", " are", "key"),
    ('a key, "x", to the cabinets', 'a keys, "x", to the cabinets', " is", " to", "a, key"),
)
OBJECTS = [dict(zip(KEYS, row, strict=True)) for row in ROWS]


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def quoted(separator: str) -> str:
    return "\n".join(separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (KEYS, *ROWS)) + "\n"


FORMS: dict[str, Callable[[], str]] = {
    "pairs.csv": lambda: quoted(","),
    "pairs.tsv": lambda: "﻿" + quoted("\t").replace("\n", "\r\n"),
    "array.json": lambda: json.dumps(OBJECTS, indent=2),
    "columns.json": lambda: json.dumps({key: [row[at] for row in ROWS] for at, key in enumerate(KEYS)}),
    "inside.json": lambda: json.dumps({"name": "agreement", "seed": 3, "prompts": OBJECTS}),
    "lines.json": lambda: "\n".join(map(json.dumps, OBJECTS)),
    "lines.jsonl": lambda: "\n".join(map(json.dumps, OBJECTS)),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_prompts(make, tmp_path, name):
    space = make(f'prompts clean from "{name}"', folder=written(tmp_path, name, FORMS[name]()))
    same = make('prompts clean from "same.jsonl"', folder=written(tmp_path, "same.jsonl", FORMS["lines.jsonl"]()))
    for which in ("clean", "counterfactual"):
        found, expected = (one.distributions[which].prompts for one in (space, same))
        assert [(one.text, one.tokens, one.answer, one.wrong, one.values) for one in found] == [
            (one.text, one.tokens, one.answer, one.wrong, one.values) for one in expected
        ]
    assert len(space.distributions["clean"]) == 2


def test_parquet(make, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([one | {"wrong": [one["wrong"]]} for one in OBJECTS]), tmp_path / "pairs.parquet")
    clean = make('prompts clean from "pairs.parquet"', folder=tmp_path).distributions["clean"]
    assert {one.text for one in clean.prompts} == {row[0] for row in ROWS} and all(len(one.wrong) == 1 for one in clean.prompts)
    (tmp_path / "pairs.parquet").write_bytes(b"PAR1 no, it is not")
    (error,) = make('prompts clean from "pairs.parquet"', folder=tmp_path, clean=False).errors
    assert error.code == "C242" and "cannot be read as Parquet" in error.message


def test_parquet_needs_pyarrow(make, tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (error,) = make('prompts clean from "p.parquet"', folder=written(tmp_path, "p.parquet", "PAR1"), clean=False).errors
    assert error.code == "C243" and error.hint == "pip install 'circuitdsl[parquet]'"


OTHERS = [
    {"prompt": "the key to", "corrupted_prompt": "the keys to", "answers": [" is"], "wrong_answers": [" are"]},
    {"clean": "the key to", "corrupt": "the keys to", "answers": [" is"], "wrong_answers": [" are"]},
    {"clean_prefix": "the key to", "patch_prefix": "the keys to", "clean_answer": " is", "patch_answer": " are", "wrong": " are"},
    {"clean": "the key to", "corrupted": "the keys to", "correct": " is", "incorrect": " are"},
]


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: ",".join(row))
def test_keys_of_other_projects(make, tmp_path, tokenizer, row):
    space = make('prompts clean from "p.json"', folder=written(tmp_path, "p.json", json.dumps([row])))
    prompt = space.distributions["clean"].prompts[0]
    assert (prompt.text, tokenizer.decode([prompt.answer]), tokenizer.decode(prompt.wrong)) == ("the key to", " is", " are")
    assert space.distributions["counterfactual"].prompts[0].text == "the keys to" and not prompt.values


def test_a_key_of_the_language_comes_first(make, tmp_path):
    row = {"clean": "the key to", "prompt": "other", "counterfactual": "the keys to", "corrupted": "x"}
    space = make('prompts clean from "p.json"', folder=written(tmp_path, "p.json", json.dumps([row])))
    assert dict(space.distributions["clean"].prompts[0].values) == {"prompt": "other", "corrupted": "x"}


def test_cells_of_a_table(make, tmp_path, tokenizer):
    """Lists in JSON, a column of row numbers without a name, empty cells: no answer, but an empty text for a slot."""
    text = ',clean,answers,wrong,note\n0,the key to," is","["" are"", "" to""]",\n1,the keys to," are",,x\n'
    space = make('prompts clean from "p.csv"', folder=written(tmp_path, "p.csv", text))
    found = {one.text: one for one in space.distributions["clean"].prompts}
    assert [tokenizer.decode([one]) for one in found["the key to"].wrong] == [" are", " to"] and found["the keys to"].wrong == ()
    assert dict(found["the key to"].values) == {"note": ""} and found["the key to"].cluster == "line 2"


BAD = [
    (
        "p.csv",
        "clean,correct_idx,incorrect_idx\na,12,13\nb,12,13\n",
        "C224",
        "lines 2, 3: `correct_idx` and `incorrect_idx` are numbers of",
    ),
    ("p.csv", "text,label\na,b\n", "C224", "there is `text` and `label`"),
    ("p.csv", "clean,answer\na,b,c\n", "C224", "line 2: 3 cells, but the first line names 2 columns"),
    ("p.csv", "clean,clean\na,b\n", "C242", "two columns `clean`"),
    ("p.csv", 'clean\n"a"b\n', "C242", "is not CSV: line 2"),
    ("p.csv", "", "C203", "is empty"),
    ("p.json", "{", "C242", "is not JSON"),
    ("p.json", "3", "C242", "neither an array"),
    ("p.json", '{"a": [1], "b": [1, 2]}', "C242", "unequal length: `a: 1` and `b: 2`"),
    ("p.json", "[3]", "C224", "row 1: not an object"),
    ("p.json", "[" * 100_000, "C242", ""),
    ("p.json", '[{"clean": "a", "answers": ["b", "c"]}]', "C224", "2 right answers, and metrics speak of one"),
]


@pytest.mark.parametrize("name, text, code, word", BAD, ids=range(len(BAD)))
def test_one_message_says_what_is_wanted(make, tmp_path, name, text, code, word):
    (error,) = make(f'prompts clean from "{name}"', folder=written(tmp_path, name, text), clean=False).errors
    assert error.code == code and word in error.message


def test_text_of_another_encoding_and_large_files(make, tmp_path, monkeypatch):
    for name in ("p.csv", "p.json"):
        (tmp_path / name).write_bytes('clean\n"é"\n'.encode("latin-1"))
        (error,) = make(f'prompts clean from "{name}"', folder=tmp_path, clean=False).errors
        assert error.code == "C208"
    monkeypatch.setattr(data_files, "LARGEST_FILE", 3)
    (error,) = make('prompts clean from "p.csv"', folder=tmp_path, clean=False).errors
    assert error.code == "C207"


UNEQUAL = [
    {"clean": f"the key {number}", "counterfactual": f"the {'keys' if number % 3 else 'qqxqq'} {number}"} for number in range(10, 40)
]


def test_all_pairs_of_unequal_length_are_counted(make, tmp_path):
    folder = written(tmp_path, "p.json", json.dumps(UNEQUAL))
    (error,) = make('prompts clean from "p.json"', folder=folder, count=8, clean=False).errors
    assert error.code == "C221" and error.message.startswith("10 of 30 pairs") and "they part at token 1: « key» against" in error.message


def test_pairs_of_unequal_length_can_be_left_out(make, tmp_path):
    folder = written(tmp_path, "p.json", json.dumps(UNEQUAL))
    equal = {one["clean"] for one in UNEQUAL if "keys" in one["counterfactual"]}
    for count, available in ((8, None), (30, 20)):
        space = make('prompts clean from "p.json"', folder=folder, count=count, leave_out=True)
        clean, other = space.distributions["clean"], space.distributions["counterfactual"]
        assert {one.text for one in clean.prompts} <= equal and len(clean) == len(other) == min(count, 20) and clean.available == available
        assert all(one.text.replace("key", "keys") == two.text for one, two in zip(clean.prompts, other.prompts, strict=True))
        (warning,) = [found for found in space.diagnostics if found.code == "W041"]
        assert warning.message.startswith("10 of 30 pairs") and "left out" in warning.message
    written(tmp_path, "p.json", json.dumps([one for one in UNEQUAL if one["clean"] not in equal]))
    errors = make('prompts clean from "p.json"', folder=folder, leave_out=True, clean=False).errors
    assert [one.code for one in errors] == ["C221"]


def test_answers_of_templates_can_be_exact(make, tokenizer):
    text = 'vocab v = "is", " is"\nprompts p { "{A} the key="; A in v; answer A }\nmetric m = sum(prob(x) for x in v if x == "is")'
    for exact in (False, True):
        space = make(text, exact=exact)
        spelled = {one.values["A"]: tokenizer.decode([one.answer]) for one in space.distributions["p"].prompts}
        assert spelled[" is"] == " is" and ("is".startswith(spelled["is"]) if exact else spelled["is"] == " is")
        bound = space.metrics["m"].bound["p"]
        assert {tokenizer.decode([one]) for one in bound.body.ids[bound.mask]} == {spelled["is"]}
