"""Run as a child process: `python -m circuitdsl.models.convert SOURCE FOLDER`. Transformers' own reading of a model's tokenizer and
configuration, written as tokenizer.json and config.json, so that nobody else needs torch to read them.

SOURCE is a GGUF file, or a folder whose tokenizer is in an older format. On failure the last line of standard error says why.
"""

import json
import os
import sys
from pathlib import Path


def convert(source: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    where, extra = (source.parent, {"gguf_file": source.name}) if source.is_file() else (source, {})
    AutoConfig.from_pretrained(where, trust_remote_code=False, **extra).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **extra)
    (folder / "tokenizer.json").write_text(quickly_read(tokenizer.backend_tokenizer.to_str()), encoding="utf-8")


def quickly_read(tokenizer: str) -> str:
    """The same tokenizer.json without indentation, and with each merge as one text (`a b`, the format's older notation) where no token
    has a space in it: the `tokenizers` library reads it in half the time."""
    content = json.loads(tokenizer)
    merges = content["model"].get("merges", [])
    if not any(" " in part for pair in merges if isinstance(pair, list) for part in pair):
        content["model"]["merges"] = [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
