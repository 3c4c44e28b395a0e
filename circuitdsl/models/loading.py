"""Weights into memory: from the Hub, a folder, a GGUF file or a bundled name. Safetensors or GGUF; nobody's code is run."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from circuitdsl.borders.evidence import ModelRecord
from circuitdsl.borders.hypothesis import ModelName
from circuitdsl.borders.units import ModelShape
from circuitdsl.models.adapter import TransformerAdapter
from circuitdsl.models.cache import digest, digests, entry
from circuitdsl.models.errors import model_error
from circuitdsl.models.gguf_checks import check_gguf
from circuitdsl.models.hub import fetch
from circuitdsl.models.locate import Location
from circuitdsl.models.outline import ModelOutline
from circuitdsl.models.parity import Parity
from circuitdsl.models.shapes import family_of, find_config, shape_of
from circuitdsl.models.tokenizers import FileTokenizer, converted

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}

_BUFFERS = (".inv_freq", ".attn.bias", ".attention.bias", ".masked_bias")
"""Constants that old files of some families hold among the weights."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory and where it is from."""

    adapter: TransformerAdapter
    location: Location
    weights_sha256: str
    config: Mapping[str, Any]
    """As in config.json."""

    @property
    def identity(self) -> str:
        """A hash of all that decides what a run of the model gives: its weights, its configuration, and the code that runs it."""
        found = hashlib.sha256(json.dumps([self.weights_sha256, self.config], sort_keys=True).encode())
        for path in sorted(Path(__file__).parent.rglob("*.py")):
            found.update(path.read_bytes())
        return found.hexdigest()

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.adapter.model.parameters())

    def describe(self) -> str:
        """One line: `smollm2-135m: SmolLM2-135M-Instruct, Q4_1 dequantised; 30 layers of 9 heads, 134,515,008 parameters`."""
        shape, name, weights = self.adapter.shape, self.location.name, self.location.weights
        what = name if weights in (name, "") else f"{name}: {weights}"
        return f"{what}; {shape.layers} layers of {shape.heads} heads, {self.parameters:,} parameters, {_name(self.adapter.dtype)}"

    def record(self, tokenizer: FileTokenizer | None, parity: Parity) -> ModelRecord:
        """What the evidence keeps of it."""
        return ModelRecord(
            name=self.location.name,
            revision=self.location.revision,
            weights=self.location.weights,
            weights_sha256=self.weights_sha256,
            tokenizer_sha256=tokenizer.sha256 if tokenizer else "",
            family=self.adapter.shape.family,
            parameters=self.parameters,
            dtype=_name(self.adapter.dtype),
            device=str(self.adapter.device),
            parity_error=parity.parity_error,
            sum_error=parity.sum_error,
        )


def load(
    model: ModelName,
    *,
    folder: Path,
    dtype: str = "float32",
    device: str = "cpu",
    unsafe: bool = False,
    progress: Callable[[str], None] | None = None,
    outline: ModelOutline | None = None,
) -> Loaded:
    """Loads the model that a file names, in evaluation mode, without gradients, with plain ("eager") attention.

    Relative names are looked up in `folder`; with an `outline` the model is on this machine, and found. `unsafe` also takes
    pickled weights (`*.bin`), which can run code when they are read.
    `progress` is told in words what takes long. A GGUF file is dequantised once and kept as safetensors, by its content.

    Raises CircError: C401 no such model, C402 not on this machine and the Hub is out of reach, C403 the Hub has no such model or asks
    for a licence, C404 pickled weights only, C405 damaged weights, C406 weights that do not fit the configuration, C407 NaN or infinite
    weights, C408 unsupported family, C409 quantised or LoRA, C410 GGUF cannot be read, C411 damaged configuration, C412 no such
    type or device, C414 a bundled model's package is missing, C417 too large for the device.
    """
    if dtype not in DTYPES:
        raise model_error("C412", f"there is no type `{dtype}`", f"one of {', '.join(DTYPES)}")
    target = _device(device)
    say = progress or (lambda text: None)
    location = outline.location if outline else fetch(model, folder=folder, unsafe=unsafe, progress=say)
    assert location.path is not None
    source = location.path
    files = [source] if location.kind == "gguf" else _weight_files(source, unsafe)
    config = dict(outline.config) if outline else find_config(location)
    family, shape = family_of(config), shape_of(config, location.name)
    if location.kind == "gguf":
        say(f"reading {source.name}")
        source = entry("weights", f"{digest(source)}-2", lambda place: _dequantise(location.path, place, say))
    say(f"loading {location.weights}")
    module = family.load(source, config)
    if module is None:
        _check_stored(source, shape)
        with _quiet():
            module = _read(source, DTYPES[dtype], unsafe, family.overrides)
    try:
        module = module.to(target, DTYPES[dtype])
    except (RuntimeError, TypeError) as error:  # out of memory; a device without this type
        raise model_error("C417", f"`{location.name}` cannot be put on {device} in {dtype}: {str(error).splitlines()[0]}") from None
    weights = digests(files)
    # Looking at every weight takes longer than anything else here: once for the same content and type.
    entry("finite", f"{weights}-{dtype}", lambda place: _check_finite(module, location, place))
    return Loaded(TransformerAdapter(module.eval().requires_grad_(False), shape, family), location, weights, config)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        if reason.startswith(("Expected one of", "Invalid device string")):
            reason = "there is no such device"
        if reason.startswith("Could not run"):
            reason = "this torch was built without it"
        hint = "`cpu` always is; a graphics card is `cuda`, on a Mac `mps`"
        raise model_error("C412", f"the device `{name}` is not usable here: {reason}", hint) from None
    return device


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers without its progress bars and warnings, as they were afterwards."""
    from transformers.utils import logging as hf

    level, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity(logging.CRITICAL)
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(level)
        if bars:
            hf.enable_progress_bar()


# ---------------------------------------------------------------- files


def _weight_files(folder: Path, unsafe: bool) -> list[Path]:
    """The files that hold a folder's weights; C404, C405."""
    found = sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("consolidated"))
    if not found:
        pickled = sorted([*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
        if not pickled:
            raise model_error("C405", f"the folder {folder} holds no weights", "*.safetensors are needed beside config.json")
        if not unsafe:
            raise model_error(
                "C404",
                f"the weights are pickled ({pickled[0].name}), and reading a pickle can run anybody's code",
                "convert them to safetensors, or pass --allow-pickle if you trust their source",
            )
        return pickled
    from safetensors import SafetensorError, safe_open

    for path in found:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise model_error(
                "C405", f"{path.name} is damaged: {error}", "perhaps a copy or download was cut off: fetch it again"
            ) from None
    return found


def _dequantise(gguf: Any, place: Path, say: Callable[[str], None]) -> None:
    """Writes a GGUF file's weights as float32 safetensors, with its configuration."""
    import shutil

    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    check_gguf(gguf)
    say(f"dequantising {gguf.name}: once, about a quarter of a minute")
    try:
        config = AutoConfig.from_pretrained(converted(gguf), trust_remote_code=False, local_files_only=True)
        with _quiet(), redirect_stderr(StringIO()):  # a progress bar that no setting of transformers turns off
            model, report = AutoModelForCausalLM.from_pretrained(
                gguf.parent,
                gguf_file=gguf.name,
                config=config,
                dtype=torch.float32,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # gguf and transformers raise whatever they come across in a damaged file
        raise model_error("C410", f"cannot read {gguf.name}: {type(error).__name__} {_flat(error)}") from None
    _check_report(report, f"{gguf.name} says in its metadata", "is the file whole?")
    seen: set[int] = set()
    tensors = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:  # tied weights once, as transformers expects them
            seen.add(tensor.data_ptr())
            tensors[name] = tensor.contiguous()
    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(converted(gguf) / "config.json", place / "config.json")


# ---------------------------------------------------------------- reading and checking


def _check_stored(folder: Path, shape: ModelShape) -> None:
    """C406 for a configuration of far more weights than the files hold, before memory is taken for them; C409 for whole numbers."""
    from safetensors import safe_open

    paths = list(folder.glob("*.safetensors"))
    held = 0
    for path in paths:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                stored = file.get_slice(name)
                held += prod(stored.get_shape())
                if stored.get_dtype()[0] in "IU" and not name.endswith(_BUFFERS):  # transformers would take them as they are
                    hint = "use the full-precision model, or a GGUF file, which is dequantised"
                    raise model_error("C409", f"{name} holds whole numbers ({stored.get_dtype()}): the weights are quantised", hint)
    layer = 2 * shape.width * (shape.heads * shape.head_width + shape.mlp_width)
    needed = shape.vocabulary * shape.width + shape.layers * layer
    if paths and needed > held:
        raise model_error(
            "C406", f"config.json describes at least {needed:,} weights, and the files hold {held:,}", "are both from the same model?"
        )


def _read(folder: Path, dtype: torch.dtype, unsafe: bool, overrides: Mapping[str, Any]) -> nn.Module:
    """The model in a folder by transformers itself; C405, C406."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True, return_dict=True, **overrides)
    except Exception as error:  # whatever its checks of each value raise
        raise model_error("C411", f"config.json in {folder} cannot be used: {_flat(error)}") from None
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation="eager",
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=None if unsafe else True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (SafetensorError, OSError, EOFError) as error:
        raise model_error("C405", f"the weights in {folder} cannot be read: {error}") from None
    except Exception as error:  # whatever the modules raise for numbers that do not go together
        raise model_error("C406", f"the weights in {folder} do not fit config.json: {_flat(error)}") from None
    _check_report(report, "config.json says", "are both from the same model?")
    read: nn.Module = model
    return read


def _check_report(report: Mapping[str, Any], says: str, hint: str) -> None:
    """C406 for what transformers reports after loading: it fills what is missing with random numbers."""
    wrong = [f"{name} is missing" for name in sorted(report["missing_keys"])]
    for mismatch in sorted(report["mismatched_keys"]):
        wrong.append(
            f"{mismatch[0]} has shape {tuple(mismatch[1])} instead of {tuple(mismatch[2])}" if len(mismatch) > 2 else str(mismatch)
        )
    wrong += [f"{name} has no place" for name in sorted(report["unexpected_keys"]) if not name.endswith(_BUFFERS)]
    wrong += [str(message) for message in report.get("error_msgs") or ()]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise model_error("C406", f"the weights are not those that {says}: {'; '.join(wrong[:3])}{more}", hint)


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())


def _check_finite(model: nn.Module, location: Location, place: Path) -> None:
    """C407 for NaN or infinity; else a note in `place` that there are none."""
    for name, parameter in model.named_parameters():
        # A sum of finite numbers may overflow, so that the weights themselves decide; a sum hides no NaN and no infinity.
        total = parameter.sum(dtype=torch.float32 if parameter.dtype.itemsize < 4 else parameter.dtype)
        if not bool(total.isfinite()) and not bool(parameter.isfinite().all()):
            raise model_error(
                "C407", f"{name} of `{location.name}` holds NaN or infinite weights", "fetch the model again; float16 may also overflow"
            )
    (place / "finite.json").write_text(json.dumps({"model": location.name}))
