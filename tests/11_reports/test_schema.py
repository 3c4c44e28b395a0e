"""The published schema is what the program writes, and every code has its explanation."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from circuitdsl.figures import codes as figure_codes
from circuitdsl.reports import codes, schema
from circuitdsl.reports.files import write_evidence

ROOT = Path(__file__).parents[2]


def test_the_published_schema_is_current():
    published = (ROOT / "docs" / "evidence.schema.json").read_text()
    assert published == schema.text(), "python -m circuitdsl.reports.schema > docs/evidence.schema.json"


def test_evidence_follows_the_schema(evidence, tmp_path):
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    body = json.loads(write_evidence(evidence, tmp_path, "x").read_text())
    jsonschema.validate(body, schema.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**body, "schema_version": 2}, schema.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({key: value for key, value in body.items() if key != "model"}, schema.schema())


def test_every_code_that_is_raised_is_explained():
    for folder, table in (("figures", figure_codes.CODES), ("reports", codes.CODES)):
        files = [path for path in (ROOT / "circuitdsl" / folder).glob("*.py") if path.name not in ("codes.py", "record.py")]
        raised = {code for path in files for code in re.findall(r'"(C6\d\d)"', path.read_text())}
        assert raised == set(table), folder
