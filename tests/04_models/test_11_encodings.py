"""Tokens kept between runs: the same as the library's, anew for another tokenizer, never from a damaged file."""

import shutil

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from circuitdsl.borders.folders import cache_folder
from circuitdsl.models import encodings
from circuitdsl.models.cache import clear, contents
from circuitdsl.models.tokenizers import FileTokenizer

TEXTS = ["a b", "b a", "naïve a", ""]


def words(folder, *vocabulary):
    backend = Backend(models.WordLevel({word: number for number, word in enumerate(vocabulary)}, unk_token=vocabulary[0]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def answers(path):
    tokenizer = FileTokenizer(path)
    found = [tokenizer.encode(text, bos) for text in TEXTS for bos in (None, False)], tokenizer.vocabulary, tokenizer.adds_bos
    found += (tokenizer.decode((1, 2)), tokenizer.bos_id)
    tokenizer.keep()
    return found


@pytest.fixture
def unread(monkeypatch):
    """Makes reading a tokenizer an error, as if the library were not there."""

    def never(*_):
        raise AssertionError("the tokenizer was read")

    return lambda: monkeypatch.setattr(FileTokenizer, "_backend", property(never))


def test_what_was_asked_before_is_answered_without_the_library(tmp_path, unread):
    path = words(tmp_path / "one", "?", "a", "b")
    first = answers(path)
    copy = shutil.copytree(tmp_path / "one", tmp_path / "copy") / "tokenizer.json"
    unread()
    assert answers(path) == first == answers(copy)
    with pytest.raises(AssertionError, match="was read"):
        FileTokenizer(path).encode("a b a")


def test_another_tokenizer_in_the_same_place_is_asked_itself(tmp_path):
    first = answers(words(tmp_path, "?", "a", "b"))
    second = answers(words(tmp_path, "?", "b", "a"))
    assert first != second
    assert second[0][0].ids == (2, 1)


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text.replace("[1,2]", "[2,1]"), lambda text: ""])
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    path = words(tmp_path, "?", "a", "b")
    first = answers(path)
    (file,) = (cache_folder() / "encodings").iterdir()
    whole = file.read_text()
    file.write_text(damage(whole))
    assert file.read_text() != whole
    assert answers(path) == first
    assert file.read_text() == whole


def test_the_oldest_go_first(tmp_path, monkeypatch, unread):
    monkeypatch.setattr(encodings, "MOST", 3)
    path = words(tmp_path, "?", "a", "b")
    for text in ("a", "b", "a b"):
        tokenizer = FileTokenizer(path)
        tokenizer.encode(text)
        tokenizer.keep()
    unread()
    tokenizer = FileTokenizer(path)
    assert tokenizer.encode("a b").ids == (1, 2) and tokenizer.encode("b").ids == (2,)
    with pytest.raises(AssertionError, match="was read"):
        tokenizer.encode("a")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    path = words(tmp_path / "one", "?", "a", "b")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path / "file"))
    assert answers(path)[0][0].ids == (1, 2)


def test_the_cache_command_counts_and_clears_them(tmp_path):
    answers(words(tmp_path, "?", "a", "b"))
    assert contents()["encodings"][0] == 1
    clear()
    assert "encodings" not in contents()
