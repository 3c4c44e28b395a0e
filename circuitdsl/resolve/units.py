"""Units as written to units of the model."""

from circuitdsl.borders import document as doc
from circuitdsl.borders.units import Kind, ModelShape, Unit
from circuitdsl.resolve.problems import Problems


def units_of(ref: doc.UnitRef, shape: ModelShape, model: str, problems: Problems) -> tuple[Unit, ...]:
    """What `heads 10.*` or `mlps 0..3` stands for. Reports what the model does not have."""
    if ref.kind != "head" and not shape.mlps:
        raise problems.error("C123", f"{model} has no MLPs: it is attention-only", ref.span)
    low, high = ref.layers or (0, shape.layers - 1)
    if high >= shape.layers:
        layer = low if low >= shape.layers else high
        raise problems.error(
            "C120", f"layer {layer} does not exist: {model} has layers 0..{shape.layers - 1}", ref.span, "layers count from 0"
        )
    if ref.kind == "mlp":
        return tuple(Unit("mlp", layer) for layer in range(low, high + 1))
    kind: Kind = "head" if ref.kind == "head" else "neuron"
    count = shape.heads if kind == "head" else shape.mlp_width
    if ref.index is not None and ref.index >= count:
        code, plural = ("C121", "heads") if kind == "head" else ("C122", "neurons")
        layer_text = str(low) if low == high else f"{low}..{high}"
        message = f"{kind} {layer_text}.{ref.index} does not exist: {model} has {plural} 0..{count - 1} in each layer"
        raise problems.error(code, message, ref.span, f"{plural} count from 0")
    indices = range(count) if ref.index is None else (ref.index,)
    return tuple(Unit(kind, layer, index) for layer in range(low, high + 1) for index in indices)
