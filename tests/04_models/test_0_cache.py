"""The cache: made once, whole or not at all, and made anew when its files have changed."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from circuitdsl.models.cache import digest, digests, entry


def maker(made):
    def make(folder):
        made.append(folder)
        time.sleep(0.02)
        (folder / "a.txt").write_text("a")
        (folder / "b.txt").write_text("b")

    return make


def test_an_entry_is_made_once(cache):
    made = []
    first = entry("kind", "key", maker(made))
    assert entry("kind", "key", maker(made)) == first
    assert entry("kind", "other", maker(made)) != first
    assert len(made) == 2
    assert (first / "a.txt").read_text() == "a"


@pytest.mark.parametrize(
    "damage",
    [
        lambda place: (place / "a.txt").write_text("c"),
        lambda place: (place / "a.txt").unlink(),
        lambda place: (place / "manifest.json").write_text("{"),
        lambda place: (place / "manifest.json").write_text("[]"),
        lambda place: (place / "manifest.json").unlink(),
    ],
)
def test_a_damaged_entry_is_made_anew(damage):
    made = []
    place = entry("kind", "key", maker(made))
    damage(place)
    assert entry("kind", "key", maker(made)) == place
    assert len(made) == 2
    assert (place / "a.txt").read_text() == "a"


def test_several_at_once_wait_for_one():
    made = []
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda _: entry("kind", "key", maker(made)), range(8)))
    assert len(set(places)) == 1 and len(made) == 1


def test_what_fails_leaves_nothing(cache):
    def fail(folder):
        (folder / "half.txt").write_text("half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        entry("kind", "key", fail)
    assert not [path for path in (cache / "kind").iterdir() if path.is_dir()]


def test_a_digest_follows_the_content(tmp_path):
    path = tmp_path / "file"
    for text in ("one", "two", "longer"):
        path.write_text(text)
        assert digest(path) == digest(path) == hashlib.sha256(text.encode()).hexdigest()


def test_another_file_of_the_same_size_and_time_has_another_digest(tmp_path):
    """As in archives, whose files all have one time: numbers that were kept for the one must not be taken for the other."""
    path = tmp_path / "weights"
    for text in ("one", "two"):
        (tmp_path / "new").write_text(text)
        os.utime(tmp_path / "new", ns=(1, 1))
        (tmp_path / "new").replace(path)
        assert digest(path) == hashlib.sha256(text.encode()).hexdigest()


def test_what_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    path.write_text("one")

    def slowly(path):
        path.write_text("another")
        return "of what was there"

    with monkeypatch.context() as patch:
        patch.setattr("circuitdsl.models.cache._sha256", slowly)
        assert digest(path) == "of what was there"
    assert digest(path) == hashlib.sha256(b"another").hexdigest()


def test_a_digest_is_remembered(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("one")
    digest(path)
    monkeypatch.setattr("circuitdsl.models.cache._sha256", lambda path: "computed")
    assert digest(path) == hashlib.sha256(b"one").hexdigest()
    os.utime(path, ns=(1, 1))
    assert digest(path) == "computed"


def test_a_digest_needs_no_cache_that_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("one")
    monkeypatch.setenv("CIRCUITDSL_CACHE", str(tmp_path / "file"))
    assert digest(tmp_path / "file") == hashlib.sha256(b"one").hexdigest()


def test_several_files_have_one_digest_that_depends_on_each(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text("x")
    before = digests(paths)
    assert digests(paths[::-1]) == before
    paths[0].write_text("y")
    assert digests(paths) != before
