"""Units as written to units of the model."""

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.borders.kinds import KINDS
from circuitdsl.borders.units import ModelShape, Unit


def units_of(ref: doc.UnitRef, shape: ModelShape, model: str, problems: Diagnostics) -> tuple[Unit, ...]:
    """What `heads 10.*` or `mlps 0..3` stands for. Reports what the model does not have."""
    spec = KINDS[ref.kind]  # type: ignore[index]
    count = spec.count(shape)
    if not count:
        lacks = spec.nouns if shape.mlps else "MLPs: it is attention-only"
        raise problems.error("C123", f"{model} has no {lacks}", ref.span)
    low, high = ref.layers or (0, shape.layers - 1)
    if high >= shape.layers:
        layer = low if low >= shape.layers else high
        raise problems.error(
            "C120", f"layer {layer} does not exist: {model} has layers 0..{shape.layers - 1}", ref.span, "layers count from 0"
        )
    if ref.index is not None and ref.index >= count:
        layer_text = str(low) if low == high else f"{low}..{high}"
        message = f"{spec.noun} {layer_text}.{ref.index} does not exist: {model} has {spec.nouns} 0..{count - 1} in each layer"
        raise problems.error("C122" if spec.whole else "C121", message, ref.span, f"{spec.nouns} count from 0")
    indices = range(count) if ref.index is None else (ref.index,)
    return tuple(Unit(spec.kind, layer, index) for layer in range(low, high + 1) for index in indices)
