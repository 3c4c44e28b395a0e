"""Run as a child process: `python -m circuitdsl.models.convert SOURCE FOLDER`. Transformers' own reading of a model's tokenizer and
configuration, written as tokenizer.json and config.json, so that nobody else needs torch to read them.

SOURCE is a GGUF file, or a folder whose tokenizer is in an older format. On failure the last line of standard error says why.
"""

import os
import sys
from pathlib import Path


def convert(source: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    where, extra = (source.parent, {"gguf_file": source.name}) if source.is_file() else (source, {})
    AutoConfig.from_pretrained(where, trust_remote_code=False, **extra).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **extra)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
