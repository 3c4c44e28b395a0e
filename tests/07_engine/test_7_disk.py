"""Plain runs on disk: the same bits, never a wrong run, and words for why one was not used."""

import json
import multiprocessing
import os
import resource
import signal
import time
from dataclasses import replace

import pytest
import torch

from circuitdsl.engine import disk
from circuitdsl.engine.disk import RunsOnDisk
from circuitdsl.models.exact import exact

TOKENS = torch.tensor([[3, 9, 27, 4, 8], [5, 8, 1, 2, 7]])
OTHER = TOKENS.flip(1)


@pytest.fixture
def runs(tmp_path):
    """`runs(…)`: the runs of one model in a folder; every run is worth a file, unless said."""

    def make(**changes) -> RunsOnDisk:
        return RunsOnDisk(**{"folder": tmp_path / "runs", "limit": 1 << 30, "identity": "model", "least": 0.0, **changes})

    return make


@pytest.fixture
def slow_model(monkeypatch):
    """Runs take longer than any file takes to read, by the clock that is asked."""
    original = disk.capture

    def capture(*given):
        time.sleep(0.2)
        return original(*given)

    monkeypatch.setattr(disk, "capture", capture)


def files(runs):
    return sorted(runs.folder.glob("*.safetensors"))


def same(a, b):
    """Equal bits, in the same order of memory."""
    pairs = [(a.embed, b.embed), *((a.reads[group], b.reads[group]) for group in b.reads)]
    for name in ("heads", "mlps", "keys", "values"):
        pairs += zip(getattr(a, name), getattr(b, name), strict=True)
    return len(a.reads) >= len(b.reads) and all(torch.equal(x.nan_to_num(9.5), y.nan_to_num(9.5)) for x, y in pairs)


def order(tensor):
    return sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_same_bits_come_back(tiny, family, runs, slow_model, dtype):
    adapter = tiny(family, dtype=dtype)
    with torch.inference_mode(), exact():
        first = runs()
        made, again = first.run(adapter, TOKENS, 3), (second := runs()).run(adapter, TOKENS, 3)
        assert (first.stored, first.used, second.stored, second.used) == (1, 0, 0, 1)
        assert same(again, made) and again.reads.keys() == made.reads.keys()
        for name in ("heads", "mlps", "keys", "values"):
            assert [order(one) for one in getattr(again, name)] == [order(one) for one in getattr(made, name)]


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_no_more_layers_than_are_needed_are_read(tiny, family, runs, slow_model, layers):
    adapter = tiny(family)
    with torch.inference_mode(), exact():
        runs().run(adapter, TOKENS, 3)
        part = runs().run(adapter, TOKENS, layers)
        wanted = adapter.capture(TOKENS, None if layers == 3 else layers)
    assert len(part.heads) == layers and same(part, wanted)


def test_a_run_of_fewer_layers_is_made_deeper(tiny, runs, slow_model):
    adapter = tiny("gpt2")
    runs().run(adapter, TOKENS, 1)
    deeper = runs()
    assert len(deeper.run(adapter, TOKENS, 3).heads) == 3
    assert deeper.record().made_because == {"stored with 1 layers, and 3 are needed": 1}
    again = runs()
    again.run(adapter, TOKENS, 3)
    assert again.used == 1 and len(files(again)) == 1


def test_a_last_layer_at_some_positions_is_a_file_of_its_own(tiny, runs, slow_model):
    """Its bits are not those of a whole run's, so neither is read for the other: what is on disk changes no number."""
    adapter, at = tiny("gpt2"), (TOKENS.shape[1] - 1,)
    whole, part = runs().run(adapter, TOKENS, 3), runs().run(adapter, TOKENS, 3, at)
    assert whole.at is None and part.at == at and len(files(runs())) == 2
    (again := runs()).run(adapter, TOKENS, 3)
    assert same(again.run(adapter, TOKENS, 3, at), part) and again.used == 2


def test_other_conditions_are_other_runs_and_are_named(tiny, runs, slow_model, monkeypatch):
    adapter = tiny("gpt2")
    runs().run(adapter, TOKENS, 3)
    for changed, words in (
        ({"identity": "another"}, "stored with other weights, configuration or adapters"),
        ({}, "stored with other transformers"),
    ):
        if not changed:
            monkeypatch.setattr(disk, "_transformers", lambda: "0")
        found = runs(**changed)
        found.run(adapter, TOKENS, 3)
        assert found.used == 0 and list(found.reasons) == [words]
    other = runs()
    other.run(adapter, OTHER, 3)
    assert list(other.reasons) == ["not in the cache yet"]


@pytest.mark.parametrize("at", ["header", "tensors", "end", "cut", "empty", "words"])
def test_what_is_damaged_is_made_again(tiny, runs, slow_model, at):
    adapter = tiny("gpt2")
    right = runs().run(adapter, TOKENS, 3)
    [path] = files(runs())
    content = bytearray(path.read_bytes())
    header = int.from_bytes(content[:8], "little")
    if at in ("header", "tensors", "end"):
        place = {"header": content.index(b"seconds") + 12, "tensors": 8 + header + 100, "end": len(content) - 1}[at]
        content[place] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "words": b"not a run" * 9}.get(at, content))
    found = runs()
    assert same(found.run(adapter, TOKENS, 3), right)
    assert found.used == 0 and found.stored == 1 and next(iter(found.reasons)).startswith("damaged, and made again")
    assert (again := runs()).run(adapter, TOKENS, 3) and again.used == 1


def test_any_flipped_byte_is_noticed(tiny, runs, slow_model):
    """All over the file: whatever is read is what was written."""
    adapter = tiny("gpt2", n_layer=1)
    right = runs().run(adapter, TOKENS[:1, :2], 1)
    [path] = files(runs())
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 200)):
        damaged = bytearray(content)
        damaged[place] ^= 4
        path.write_bytes(damaged)
        found, _ = (asked := runs())._read(path, asked._conditions(adapter), adapter, 1)
        assert found is None or same(found, right), place


def test_what_was_used_longest_ago_makes_room(tiny, runs, slow_model):
    adapter = tiny("gpt2")
    runs().run(adapter, TOKENS, 3)
    [first] = files(runs())
    small = {"limit": int(2.5 * first.stat().st_size)}
    runs(**small).run(adapter, OTHER, 3)
    second = next(path for path in files(runs()) if path != first)
    os.utime(second, (1, 1))
    os.utime(first, (2, 2))
    runs(**small).run(adapter, TOKENS + 1, 3)  # of the two, `second` was used longest ago
    assert first.exists() and not second.exists() and len(files(runs())) == 2
    none = runs(limit=100)
    none.run(adapter, TOKENS + 2, 3)
    assert none.stored == 0 and "larger than the cache" in next(iter(none.unstored))
    assert len(files(runs())) == 2


def test_an_invocation_with_more_runs_than_fit_leaves_those_that_it_needs_first(tiny, runs, slow_model):
    """Else each of its runs would be deleted before the next invocation comes to it."""
    adapter, probe = tiny("gpt2"), runs()
    probe.run(adapter, TOKENS, 3)
    [file] = files(probe)
    limit = int(2.5 * file.stat().st_size)
    file.unlink()
    for read in (0, 2):
        found = runs(limit=limit)
        for shift in range(4):
            found.run(adapter, TOKENS + shift, 3)
        assert found.used == read
        assert found.reasons == {"not in the cache yet": 4 - read} and found.unstored == {"the cache is full of this run's own": 2}
    coarse = runs(limit=limit, began=time.time() + 60)  # where the file system's clock is behind
    for shift in range(4):
        coarse.run(adapter, TOKENS + shift, 3)
    assert coarse.used == 2 and coarse.stored == 0
    other = runs(limit=limit, began=time.time() + 60)  # a later one has other runs
    other.run(adapter, OTHER, 3)
    assert other.stored == 1 and len(files(other)) == 2


def test_a_file_that_is_slower_than_its_run_is_not_read_again(tiny, runs, monkeypatch):
    adapter = tiny("gpt2")
    clock = iter([0.0, 1e-9, 0.0, 1.0])  # the run takes a nanosecond, reading it a second
    monkeypatch.setattr(disk.time, "perf_counter", lambda: next(clock, 2.0))
    for _ in range(2):
        (found := runs()).run(adapter, TOKENS, 3)
    assert found.used == 1 and not files(found)
    (third := runs()).run(adapter, TOKENS, 3)
    assert third.used == third.stored == 0 and list(third.reasons) == ["reading it took longer than running"]
    [mark] = third.folder.glob("*.slow")
    os.utime(mark, (1, 1))  # long ago
    (fourth := runs()).run(adapter, TOKENS, 3)
    assert fourth.stored == 1


def test_a_short_run_is_not_worth_a_file(tiny, runs):
    found = runs(least=1e9)
    found.run(tiny("gpt2"), TOKENS, 3)
    assert not found.folder.exists() and list(found.reasons) == ["running takes less than 1e+09 s"]


def test_a_folder_that_cannot_be_used_costs_nothing_but_time(tiny, runs, tmp_path):
    adapter = tiny("gpt2")
    (tmp_path / "file").write_text("")
    found = runs(folder=tmp_path / "file" / "runs")
    assert same(found.run(adapter, TOKENS, 3), adapter.capture(TOKENS))
    assert found.stored == 0 and found.unstored == {"Not a directory": 1}


def test_a_full_disk_leaves_nothing_half_written(tiny, runs):
    adapter = tiny("gpt2")
    found, before = runs(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # what the system then says of a write is an error like a full disk's
    try:
        captured = found.run(adapter, TOKENS, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert same(captured, adapter.capture(TOKENS))
    assert found.stored == 0 and sum(found.unstored.values()) == 1
    assert {path.name for path in found.folder.iterdir()} <= {".lock"}


def _killed(runs, adapter):
    """Writes a run and is killed when the file is there, before it is moved to its place."""
    original = disk.save_file

    def save_and_die(*given, **options):
        original(*given, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    disk.save_file = save_and_die
    runs.run(adapter, TOKENS, 3)


def test_a_killed_writer_leaves_no_run_and_what_it_leaves_is_cleared(tiny, runs, slow_model):
    adapter = tiny("gpt2")
    writer = multiprocessing.get_context("fork").Process(target=_killed, args=(runs(), adapter))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    assert not files(runs()) and len(list(runs().folder.glob("*.tmp"))) == 1
    (found := runs()).run(adapter, OTHER, 3)
    assert found.stored == 1 and not list(found.folder.glob("*.tmp"))


def _several(runs, adapter, wanted, tell):
    for shift in (0, 1, 2, 0, 1, 2):
        assert same(runs.run(adapter, TOKENS + shift, 3), wanted[shift])
    tell.put(json.dumps([runs.used, runs.stored, list(runs.unstored)]))


def test_processes_at_once_read_whole_runs_only(tiny, runs, slow_model):
    adapter = tiny("gpt2")
    wanted = [adapter.capture(TOKENS + shift) for shift in range(3)]
    context = multiprocessing.get_context("fork")
    tell = context.Queue()
    some = [context.Process(target=_several, args=(runs(), adapter, wanted, tell)) for _ in range(4)]
    for one in some:
        one.start()
    told = [json.loads(tell.get(timeout=60)) for _ in some]
    for one in some:
        one.join(60)
    assert [one.exitcode for one in some] == [0] * 4
    assert all(used + stored == 6 or "another process" in str(unstored) for used, stored, unstored in told)
    assert len(files(runs())) == 3 and not list(runs().folder.glob("*.tmp"))


def test_nothing_is_touched_when_it_is_off(tiny, runs):
    off = runs(limit=0)
    off.run(tiny("gpt2"), TOKENS, 3)
    assert not off.folder.exists() and not off.reasons


def test_a_loaded_model_is_named_by_weights_configuration_and_code(tiny, tmp_path):
    from circuitdsl.models.loading import Loaded
    from circuitdsl.models.locate import Location

    one = Loaded(tiny("gpt2"), Location("folder", "x", tmp_path), "0" * 64, {"rope": 1})
    assert one.identity == replace(one).identity
    assert len({one.identity, replace(one, config={"rope": 2}).identity, replace(one, weights_sha256="1" * 64).identity}) == 3
