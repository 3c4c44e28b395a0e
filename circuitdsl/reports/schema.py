"""The JSON Schema of evidence files."""

import json
from typing import Any

from circuitdsl.borders.evidence import SCHEMA_VERSION, Evidence


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `write_evidence` writes; `docs/evidence.schema.json` is this, published."""
    body = Evidence.model_json_schema(mode="serialization")
    body["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body, "title": "circuitdsl evidence"}


def text() -> str:
    """The published file's text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
