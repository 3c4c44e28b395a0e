"""Vocabularies and prompts from files."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuitdsl.prompts import vocabulary


def write(folder: Path, *rows, name: str = "pairs.jsonl") -> Path:
    (folder / name).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return folder


FILE = 'prompts clean from "pairs.jsonl"\n'
ROW = {
    "clean": "the key to the cabinets",
    "counterfactual": "the keys to the cabinets",
    "answer": " is",
    "wrong": [" are", " to"],
    "noun": "key",
}


def test_rows_pairs_answers_slots_and_positions(make, tokenizer, tmp_path) -> None:
    rows = [
        ROW | {"positions": {"subject": 1, "last": -1, "second": [15, 23]}, "cluster": "a", "template": "t"},
        ROW | {"noun": "x", "clean": "a key to the cabinets"},
    ]
    space = make(FILE, folder=write(tmp_path, *rows))
    clean, other = space.distributions["clean"], space.distributions["counterfactual"]
    assert (len(clean), clean.available, other.paired) == (2, 2, "clean")
    prompt = next(prompt for prompt in clean.prompts if prompt.values["noun"] == "key")
    twin = other.prompts[clean.prompts.index(prompt)]
    assert tokenizer.decode([prompt.answer]) == " is"
    assert [tokenizer.decode([token]) for token in prompt.wrong] == [" are", " to"]
    assert tokenizer.decode([prompt.tokens[prompt.layout.span("subject")[0]]]) == " key"
    assert prompt.layout.span("last") == prompt.layout.span("END") == prompt.layout.span("second")
    assert twin.layout == prompt.layout and twin.text == ROW["counterfactual"] and twin.answer is None
    assert prompt.cluster == "a" and {p.cluster for p in clean.prompts} == {"a", "line 2"}
    assert space.occurrences["clean"] == {"last": 0, "second": 0, "subject": 0}
    assert space.slots["clean"] == {"noun", "last", "second", "subject"}
    assert set(space.features) == {"template", "noun"}


def test_clusters_that_are_named_are_said_to_be(make, tmp_path) -> None:
    rows = [{"clean": f"the key {number}", "cluster": str(number % 2)} for number in range(4)]
    assert make(FILE, count=4, folder=write(tmp_path, *rows)).distributions["clean"].clusters_named
    rows = [{"clean": f"the key {number}", "template": str(number % 2)} for number in range(4)]
    assert not make(FILE, count=4, folder=write(tmp_path, *rows)).distributions["clean"].clusters_named


def test_positions_do_not_count_bos(make, tmp_path) -> None:
    folder = write(tmp_path, ROW | {"positions": {"subject": 1, "end": -1, "first": [0, 3]}})
    plain, bos = (make(FILE, folder=folder, use=use).distributions["clean"].prompts[0] for use in ("bpe", "bos"))
    for name in ("subject", "end", "first"):
        assert bos.layout.span(name) == tuple(index + 1 for index in plain.layout.span(name))


def test_answers_of_counterfactuals(make, tmp_path, tokenizer) -> None:
    row = ROW | {"counterfactual_answer": " are", "counterfactual_wrong": " is"}
    prompt = make(FILE, folder=write(tmp_path, row)).distributions["counterfactual"].prompts[0]
    assert [tokenizer.decode([token]) for token in (prompt.answer, *prompt.wrong)] == [" are", " is"]


def test_some_rows_of_a_large_file(make, tmp_path) -> None:
    folder = write(tmp_path, *({"clean": f"the key {number}", "answer": "is"} for number in range(5000)))
    few, more = (make(FILE, folder=folder, count=count).distributions["clean"] for count in (40, 60))
    assert [p.text for p in more.prompts[:40]] == [p.text for p in few.prompts]
    assert len({p.text for p in more.prompts}) == 60 and few.available is None
    assert [p.text for p in few.prompts] != [f"the key {number}" for number in range(40)]


def test_answers_in_data_are_exact(make, tmp_path, tokenizer, codes_of) -> None:
    """What is written follows the prompt, with no space that is not in the file; a word that is glued to another is warned of."""
    rows = [{"clean": "the key =", "answer": "is", "wrong": [" is"]}]
    prompt = make(FILE, folder=write(tmp_path, *rows)).distributions["clean"].prompts[0]
    assert tokenizer.decode([prompt.answer]) != tokenizer.decode([prompt.wrong[0]]) == " is"
    assert "is".startswith(tokenizer.decode([prompt.answer]))
    glued = [{"clean": f"the {word}", "answer": "zz"} for word in ("qqq", "qqz")]
    space = make(FILE, folder=write(tmp_path, *glued), clean=False)
    assert {"W040", "C223"} & set(codes_of(space))


def test_a_joined_answer_is_warned_of(make, tmp_path) -> None:
    space = make(FILE, folder=write(tmp_path, {"clean": "a", "answer": "zzz"}), clean=False)
    assert [found.code for found in space.diagnostics if found.code == "W040"] == ["W040"]
    spaced = make(FILE, folder=write(tmp_path, {"clean": "a", "answer": " zzz"}), clean=False)
    assert "W040" not in [found.code for found in spaced.diagnostics]


def test_counterfactuals_have_slots(make, tmp_path) -> None:
    """Their own where a key says so, else those of their prompt."""
    row = ROW | {"number": "sg", "counterfactual_number": "pl"}
    space = make(FILE, folder=write(tmp_path, row))
    clean, other = (space.distributions[name].prompts[0] for name in ("clean", "counterfactual"))
    assert dict(clean.values) == {"noun": "key", "number": "sg"}
    assert dict(other.values) == {"noun": "key", "number": "pl"}


def test_a_value_of_the_counterfactual_needs_one(make, tmp_path) -> None:
    row = {"clean": "the key", "number": "sg", "counterfactual_number": "pl"}
    (error,) = make(FILE, folder=write(tmp_path, row), clean=False).errors
    assert error.code == "C224" and '"counterfactual_number" without "counterfactual"' in error.message


def test_a_token_that_is_named_by_its_number_can_have_another_value(make, tmp_path) -> None:
    """`prob(T = d)` at a token's number is what it is at the same token's characters."""
    text = 'vocab v = "key", "keys"\n' + FILE + "metric m = sum(prob(T = d) for d in v) @ END\n"
    found = []
    for where in (1, [4, 7]):
        row = {"clean": "the key to the cabinets", "T": "key", "positions": {"T": where}}
        found.append(make(text, folder=write(tmp_path, row)).metrics["m"].bound["clean"])
    assert found[0].mask.any() and found[0].body.ids.tolist() == found[1].body.ids.tolist()


def test_a_value_without_a_place_has_no_token(make, tmp_path) -> None:
    text = 'vocab v = "key", "keys"\n' + FILE + "metric m = sum(prob(noun = d) for d in v) @ END\n"
    (error,) = make(text, folder=write(tmp_path, ROW), clean=False).errors
    assert error.code == "C240" and "`noun` does not stand in the text" in error.message


def test_a_fold_of_nothing_is_refused(make, tmp_path) -> None:
    text = 'vocab v = "key", "keys"\n' + FILE + 'metric m = sum(prob(d) for d in v if d == "x") @ END\n'
    (error,) = make(text, folder=write(tmp_path, ROW), clean=False).errors
    assert error.code == "C239" and "nothing is left" in error.message


def test_every_value_of_several_tokens_is_named(make, tmp_path) -> None:
    rows = [{"clean": "the key to", "answer": f" {word}"} for word in ("qzx", "xzq", "zqx")]
    space = make(FILE, folder=write(tmp_path, *rows), clean=False)
    (warning,) = [found for found in space.diagnostics if found.code == "W022"]
    assert all(word in warning.message for word in ("qzx", "xzq", "zqx"))


BAD = [
    ("{", "not JSON"),
    ('{"clean": "a"', "delimiter at column 14"),
    ("[1]", "not an object"),
    ({"text": "x"}, '"clean"'),
    ({"clean": 3}, '"clean" is not a text'),
    ({"clean": ""}, '"clean" is empty'),
    ({"clean": "a", "wrong": "b"}, '"wrong" without "answer"'),
    ({"clean": "a", "answer": "b", "wrong": [1]}, '"wrong"'),
    ({"clean": "a", "positions": 3}, '"positions"'),
    ({"clean": "a", "positions": {"x": "y"}}, 'position "x"'),
    ({"clean": "a", "positions": {"x": [0, 9]}}, "outside the 1 characters"),
    ({"clean": "a", "positions": {"x": 7}}, "has 1 tokens"),
    ({"clean": "a", "positions": {"END": 0}}, "cannot be the name"),
    ({"clean": "a", "counterfactual_answer": "b"}, "without"),
    ({"clean": "a", "cluster": []}, '"cluster"'),
    ('{"clean": "a\\ud800"}', "surrogate"),
    ('{"clean": "a", "answer": "b", "wrong": ["\\ud800"]}', "surrogate"),
    ('{"clean": "a", "n": ' + "1" * 5000 + "}", "digits"),
    ("[" * 200_000, "deep"),
]


@pytest.mark.parametrize(("row", "said"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_line_is_named(make, tmp_path, row, said) -> None:
    space = make(FILE, folder=write(tmp_path, {"clean": "good"}, "", row), clean=False)
    (error,) = space.errors
    assert error.code == "C224" and error.message.startswith('"pairs.jsonl", line 3: ') and said in error.message
    assert not space.distributions


def test_lines_must_be_alike(make, tmp_path) -> None:
    rows = [
        ROW,
        {"clean": "a", "answer": "b", "noun": "n"},
        {"clean": "a", "counterfactual": "b", "noun": "n"},
        {k: ROW[k] for k in ROW if k != "noun"},
    ]
    messages = [error.message for error in make(FILE, folder=write(tmp_path, *rows), clean=False).errors]
    assert [message.partition(": ")[2] for message in messages] == [
        'no "counterfactual", but other lines have one',
        'no "answer", but other lines have one',
        "no `noun`, but other lines have it",
    ]


def test_many_bad_lines_are_counted(make, tmp_path) -> None:
    (error,) = make(FILE, folder=write(tmp_path, *["no"] * 50), clean=False).errors
    assert "lines 1, 2, 3, 4, 5 and 45 more: not JSON" in error.message and "`.csv`" in error.hint
    errors = make(FILE, folder=write(tmp_path, *(" " * number + "no" for number in range(50))), clean=False).errors
    assert len(errors) == 21 and "and 30 more bad lines" in errors[-1].message


def test_unequal_lengths_are_shown(make, tmp_path) -> None:
    rows = [ROW, ROW | {"counterfactual": "the keys to the many cabinets"}, ROW | {"counterfactual": "the"}]
    (error,) = make(FILE, folder=write(tmp_path, *rows), clean=False).errors
    assert error.code == "C221" and error.message.startswith("2 of 3 pairs")
    assert "cabinets" in error.note and "END" in error.note


def test_bytes_that_are_no_text(make, tmp_path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(b'\xef\xbb\xbf{"clean": "a"}\n{"clean": "\xff"}\n' + b"x" * (2**20 + 10) + b"\n{\n")
    said = [error.message for error in make(FILE, folder=tmp_path, clean=False).errors]
    assert [message.split(": ")[0].split()[-1] for message in said] == ["2", "3", "4"]
    assert "UTF-8" in said[0] and "longer" in said[1] and "not JSON" in said[2]


@pytest.mark.parametrize(
    ("name", "code"), [("../pairs.jsonl", "C202"), ("none.jsonl", "C201"), (".", "C201"), ("/etc/hostname", "C202"), ("link", "C202")]
)
def test_only_files_of_the_folder(make, tmp_path, codes_of, name, code) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write(tmp_path, ROW)
    (folder / "link").symlink_to(tmp_path / "pairs.jsonl")
    assert codes_of(make(f'prompts clean from "{name}"', folder=folder, clean=False)) == [code]
    assert codes_of(make(f'vocab v from "{name}"', folder=folder, clean=False)) == [code]


def test_what_cannot_be_said_about_a_file(make, tmp_path, codes_of) -> None:
    text = FILE + "prompts other from clean { redraw noun }\n"
    text += 'prompts third from clean { noun = "x" }\nprompts fine from clean { answer "to" wrong noun }'
    space = make(text, count=1, folder=write(tmp_path, ROW), clean=False)
    assert codes_of(space) == ["C213", "C213"]
    assert space.distributions["fine"].prompts[0].text == ROW["clean"]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.floats(), st.text(max_size=5), st.sampled_from(["the key", "a"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)
KEYS = st.sampled_from(["clean", "counterfactual", "answer", "wrong", "positions", "cluster", "template", "counterfactual_answer", "noun"])
ROWS = st.one_of(
    st.dictionaries(KEYS, JSON, max_size=6),
    st.fixed_dictionaries({"clean": st.just("the key to"), "answer": st.sampled_from(["is", "är", " "]), "noun": st.text(max_size=3)}),
    st.fixed_dictionaries({"clean": st.text(min_size=1, max_size=9), "answer": st.text(min_size=1, max_size=3), "noun": st.just("x")}),
    JSON,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans())
def test_no_line_breaks_it(make, tmp_path, rows, escaped) -> None:
    lines = [json.dumps(row, ensure_ascii=escaped) for row in rows]
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    text = FILE + 'metric m = logit(answer)\nmetric n = prob(noun)\nmetric o = prob(" {noun}")\nfeature f = noun == "x"'
    space = make(text, folder=tmp_path, clean=False)
    assert space.distributions or space.errors


# ---------------------------------------------------------------- vocabularies

ONE = 'vocab v from "v.txt"\nprompts clean { "the {A} to"; A in v }'


def test_a_value_a_line(make, tmp_path, codes_of) -> None:
    (tmp_path / "v.txt").write_bytes(b"\xef\xbb\xbfMary\r\nJohn\r\n\r\nMary Ann\r\nJohn\n")
    space = make(ONE, folder=tmp_path)
    assert {p.values["A"] for p in space.distributions["clean"].prompts} == {"Mary", "John", "Mary Ann"}
    assert "W021" in codes_of(space)


def test_fields_between_tabs(make, tmp_path) -> None:
    (tmp_path / "v.txt").write_text("France\tParis\nJapan\tTokyo\n")
    space = make('vocab v(c, t) from "v.txt"\nprompts clean { "the {A.c} to"; A in v; answer A.t }', folder=tmp_path)
    assert {(p.values["A.c"], p.values["A.t"]) for p in space.distributions["clean"].prompts} == {("France", "Paris"), ("Japan", "Tokyo")}


@pytest.mark.parametrize(
    ("content", "fields", "code"),
    [(b"", "", "C203"), (b"\xff\xfe", "", "C208"), (b"a\tb\nc\n", "(x, y)", "C204"), (b"a\t\n", "(x, y)", "C203")],
)
def test_bad_vocabulary_files(make, tmp_path, codes_of, content, fields, code) -> None:
    (tmp_path / "v.txt").write_bytes(content)
    assert codes_of(make(f'vocab v{fields} from "v.txt"', folder=tmp_path, clean=False)) == [code]


def test_a_file_too_large(make, tmp_path, codes_of) -> None:
    with (tmp_path / "v.txt").open("wb") as file:
        file.truncate(vocabulary.LARGEST_FILE + 1)
    assert codes_of(make('vocab v from "v.txt"', folder=tmp_path, clean=False)) == ["C207"]


def test_ranges(make) -> None:
    space = make('vocab v = "08".."11"\nprompts clean { "year {A} to"; A in v }')
    assert sorted(p.values["A"] for p in space.distributions["clean"].prompts) == ["08", "09", "10", "11"]


@pytest.mark.parametrize("span", ['"2".."10"', '"b".."d"', '"09".."03"', '"".."9"', '"0000000".."9999999"', '"-1".."01"', '"²".."³"'])
def test_bad_ranges(make, codes_of, span) -> None:
    assert codes_of(make(f"vocab v = {span}", clean=False)) == ["C205"]
