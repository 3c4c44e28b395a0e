"""Features: equivalence relations on prompts, as integer classes."""

from collections.abc import Mapping, Sequence

from circuitdsl.borders import document as doc
from circuitdsl.borders.diagnostics import Diagnostics
from circuitdsl.prompts.labels import Labelling
from circuitdsl.prompts.mistakes import Lacking, Mistake

Classes = dict[str, dict[str, tuple[int, ...]]]


def bind_features(
    statements: Sequence[doc.FeatureStatement], labellings: Mapping[str, Labelling], taken: frozenset[str], findings: Diagnostics
) -> Classes:
    """Feature, then distribution, to the class of each row.

    Classes are numbered by the sorted values over all distributions, so that a value has one number everywhere. A feature
    is left out where a distribution has not the slots; if none has them, that is an error.
    """
    declared = {statement.name.text: statement for statement in statements}
    values: dict[str, dict[str, list[object]]] = {}
    for name, labelling in labellings.items():
        for slot, every in slot_values(labelling).items():
            values.setdefault(slot, {})[name] = every
    if statements:
        from circuitdsl.prompts.conditions import Conditions  # with numpy
    for statement in statements:
        lacking: Lacking | None = None
        found: dict[str, list[object]] = {}
        for name, labelling in labellings.items():
            try:
                column = Conditions(labelling, declared, taken=taken).evaluate(statement.value)
            except Lacking as error:
                lacking = lacking or error
            except Mistake as error:
                findings.error(error.code, error.message, error.span, error.hint)
                break
            else:
                size = len(labelling.rows)
                found[name] = [column.data[row if len(column.data) > 1 else 0, 0] for row in range(size)] if size else []
        else:
            if found:
                values[statement.name.text] = found
            elif lacking:
                findings.error(lacking.code, lacking.message, lacking.span, lacking.hint)
    return {feature: _numbered(found) for feature, found in values.items()}


def slot_values(labelling: Labelling) -> dict[str, list[object]]:
    """Every slot, field and single occurrence as a feature; a slot with fields also as a whole; and `template`."""
    found: dict[str, list[object]] = {"template": [labelled.row.template for labelled in labelling.rows]}
    if not labelling.rows:
        return found
    for key in labelling.rows[0].prompt.values:
        found[key] = [labelled.prompt.values[key] for labelled in labelling.rows]
    for name, slot in labelling.declaration.slots.items():
        if slot.fields or slot.tokens:
            found[name] = [labelled.row.values[name] for labelled in labelling.rows]
    return found


def _numbered(found: Mapping[str, Sequence[object]]) -> dict[str, tuple[int, ...]]:
    """Sorted by type, then value: texts as texts, numbers and truth values as numbers."""
    different = {value for column in found.values() for value in column}
    classes = {value: number for number, value in enumerate(sorted(different, key=lambda value: (type(value).__name__, value)))}
    return {name: tuple(classes[value] for value in column) for name, column in found.items()}
