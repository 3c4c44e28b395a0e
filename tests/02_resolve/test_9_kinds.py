"""The table of kinds of units says what the grammar, the architecture's order and the reports say."""

import itertools
import string

import pytest

from circuitdsl.borders.kinds import GROUPS, IN_LAYERS, KINDS
from circuitdsl.borders.source import Source
from circuitdsl.borders.units import EMBED, LOGITS, ModelShape, Unit, read_unit
from circuitdsl.language.grammar import parser
from circuitdsl.language.parser import parse


def shape(**changes) -> ModelShape:
    numbers = {"layers": 3, "heads": 2, "kv_heads": 2, "width": 8, "head_width": 4, "mlp_width": 5, "vocabulary": 61, "context": 64}
    return ModelShape("a model", "a family", **{**numbers, **changes})


def test_the_grammar_has_a_word_for_each_kind():
    words = {rule.expansion[0].name for rule in parser().rules if rule.origin.name == "kind"}
    assert words == {spec.plural.upper() for spec in IN_LAYERS}
    for spec in IN_LAYERS:
        address = "1.0" if spec.numbered else "1"
        document = parse(Source(f'circuit "A"\nnodes {{\na = {spec.plural} {address}\n}}\n'))
        assert document.statements[-1].definitions[0].members[0].kind == spec.kind


def test_a_unit_is_written_and_read_back():
    model = shape()
    for unit in [*model.units(), *(unit for spec in IN_LAYERS for unit in model.units(spec.kind))]:
        assert read_unit(str(unit)) == unit
    for text in ("head 9", "mlp 3.2", "neuron 1", "embed 1", "head 9.x", "head -1.0", "heads 9.6", ""):
        assert read_unit(text) is None


def test_counts_are_those_of_the_units():
    model = shape()
    for spec in KINDS.values():
        layers = model.layers if spec.in_layers else 1
        assert len(list(model.units(spec.kind))) == layers * model.count(spec.kind)
    assert list(model.units("neuron", 1)) == [Unit("neuron", 1, index) for index in range(5)]
    assert [str(unit) for unit in shape(layers=1).units()] == ["embed", "head 0.0", "head 0.1", "mlp 0", "logits"]
    assert [str(unit) for unit in shape(layers=1, mlps=False).units()] == ["embed", "head 0.0", "head 0.1", "logits"]
    assert not shape(mlps=False).count("neuron")


@pytest.mark.parametrize("parallel", [False, True])
def test_what_comes_before_what(parallel):
    model = shape(parallel=parallel)
    for reader, sender in itertools.product([*model.units(), *model.units("neuron")], repeat=2):
        if reader == EMBED or sender == LOGITS:
            expected = False
        elif sender == EMBED or reader == LOGITS:
            expected = True
        elif reader.layer != sender.layer:
            expected = sender.layer < reader.layer
        else:
            expected = not parallel and sender.kind == "head" and reader.kind in ("mlp", "neuron")
        assert model.reads(reader, sender) == expected, (reader, sender)
        assert not (expected and reader < sender)


def test_wholes_have_groups_and_drawings_their_fields():
    for spec in IN_LAYERS:
        assert spec.group in GROUPS
        if spec.whole is not None:
            whole = KINDS[spec.whole]
            assert (whole.group, whole.whole, whole.ports, spec.numbered) == (spec.group, None, spec.ports, True)
        assert spec.drawing is not None
        texts = [*spec.drawing.labels.values(), spec.drawing.run, spec.drawing.id]
        fields = {field for text in texts for _, field, _, _ in string.Formatter().parse(text) if field}
        assert fields <= {"layer", "index", "last"} and ("index" in fields) == spec.numbered
