"""Evidence files are written whole or not at all, and read back equal."""

import json
import math

import pytest

from circuitdsl.borders.source import CircError
from circuitdsl.reports import files
from circuitdsl.reports.files import read_evidence, write_evidence


def code(error) -> str:
    return error.value.diagnostics[0].code


def test_round_trip(evidence, tmp_path):
    path = write_evidence(evidence, tmp_path / "out", "ioi")
    assert path == tmp_path / "out" / "ioi.evidence.json"
    assert read_evidence(path) == evidence
    assert [p.name for p in path.parent.iterdir()] == ["ioi.evidence.json"]


def test_numbers_that_are_not_finite_survive(evidence, tmp_path):
    odd = evidence.model_copy(update={"columns": {"x": (math.inf, -math.inf, math.nan, 1.0)}})
    back = read_evidence(write_evidence(odd, tmp_path, "odd")).columns["x"]
    assert back[:2] == (math.inf, -math.inf) and math.isnan(back[2]) and back[3] == 1.0
    json.loads((tmp_path / "odd.evidence.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_long_columns_go_beside_and_come_back(evidence, tmp_path):
    long = tuple(i / 3 for i in range(files.LONGEST + 1))
    both = evidence.model_copy(update={"columns": {"long": long, "short": (1.0,), "edge": long[:-1]}})
    path = write_evidence(both, tmp_path, "big")
    body = json.loads(path.read_text())
    assert set(body["columns"]) == {"short", "edge"}
    assert (tmp_path / body["arrays"]).exists()
    assert read_evidence(path) == both
    shorter = write_evidence(evidence, tmp_path, "big")
    assert [p.name for p in tmp_path.iterdir()] == [shorter.name]


def test_missing_or_changed_arrays(evidence, tmp_path):
    path = write_evidence(evidence.model_copy(update={"columns": {"x": (0.0,) * 10_001}}), tmp_path, "big")
    arrays = tmp_path / json.loads(path.read_text())["arrays"]
    body = arrays.read_bytes()
    arrays.write_bytes(body[:-8] + b"\1" * 8)
    with pytest.raises(CircError) as error:
        read_evidence(path)
    assert code(error) == "C655"
    arrays.unlink()
    with pytest.raises(CircError) as error:
        read_evidence(path)
    assert code(error) == "C655"


def test_arrays_outside_the_folder_are_refused(evidence, tmp_path):
    path = write_evidence(evidence, tmp_path, "ioi")
    path.write_text(path.read_text().replace('"arrays": null', '"arrays": "../secret.safetensors"'))
    with pytest.raises(CircError) as error:
        read_evidence(path)
    assert code(error) == "C655" and "outside" in str(error.value)


def test_full_disk_loses_nothing(evidence, tmp_path, monkeypatch):
    path = write_evidence(evidence, tmp_path, "ioi")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(CircError) as error:
        write_evidence(evidence.model_copy(update={"seconds": 1.0, "columns": {"x": (0.0,) * 10_001}}), tmp_path, "ioi")
    assert code(error) == "C650" and "no space left" in str(error.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_file_in_the_place_of_the_folder(evidence, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CircError) as error:
        write_evidence(evidence, tmp_path / "out", "ioi")
    assert code(error) == "C650" and (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "C652"),
        ("{", "C652"),
        ("[" * 100_000, "C652"),
        ("\x00\xff", "C652"),
        ("[]", "C652"),
        ('{"name": "a package"}', "C652"),
        ('{"schema_version": 99}', "C653"),
        ('{"schema_version": "x"}', "C653"),
        ('{"schema_version": 1}', "C654"),
    ],
)
def test_foreign_files(tmp_path, body, expected):
    path = tmp_path / "x.evidence.json"
    path.write_text(body, encoding="latin-1")
    with pytest.raises(CircError) as error:
        read_evidence(path)
    assert code(error) == expected and "x.evidence.json" in str(error.value)


def test_cut_short_anywhere(evidence, tmp_path):
    path = write_evidence(evidence, tmp_path, "ioi")
    whole = path.read_bytes()
    for part in range(0, len(whole) - 2, len(whole) // 40):
        path.write_bytes(whole[:part])
        with pytest.raises(CircError) as error:
            read_evidence(path)
        assert code(error) == "C652"


def test_missing_file(tmp_path):
    with pytest.raises(CircError) as error:
        read_evidence(tmp_path / "none.evidence.json")
    assert code(error) == "C651"
