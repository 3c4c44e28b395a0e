"""What the readouts reach: every value and every mix over a background, each once, in the order of the architecture."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from circuitdsl.borders.prompts import Metric
from circuitdsl.borders.readouts import LogitsReadout, Readout
from circuitdsl.borders.units import LOGITS, Role, WriteGroup
from circuitdsl.borders.values import Base, Draw, Linear, Mix, Recomputed, Run, Value, World

PlacedRole = tuple[Role, Draw | None]
"""A role where the measured row has it (None), or where a draw's row has it."""


@dataclass(slots=True)
class Dependencies:
    """Recomputed values and (background, mix) pairs by write group, and all worlds and roles that occur."""

    values: dict[WriteGroup, list[Recomputed]] = field(default_factory=dict)
    mixes: dict[WriteGroup, list[tuple[World, Mix]]] = field(default_factory=dict)
    worlds: dict[World, None] = field(default_factory=dict)
    roles: dict[PlacedRole, None] = field(default_factory=dict)

    @property
    def groups(self) -> list[WriteGroup]:
        """Write groups in the order of the architecture: a value needs mixes of earlier groups only."""
        return sorted({*self.values, *self.mixes}, key=lambda group: group.key)

    @property
    def count(self) -> int:
        return sum(map(len, self.values.values()))


def dependencies(readouts: Iterable[Readout], references: Iterable[Value] = ()) -> Dependencies:
    """Walks without recursion; linear in distinct values and mixes."""
    found = Dependencies()
    stack: list[Value | tuple[World, Mix]] = list(references)
    for readout in readouts:
        stack += readout.values
        found.roles.update(((role, None), None) for role in readout.roles)
    seen: set[int | tuple[World, int]] = set()
    while stack:
        item = stack.pop()
        key = (item[0], id(item[1])) if isinstance(item, tuple) else id(item)
        if key in seen:
            continue
        seen.add(key)
        if isinstance(item, Base):
            found.worlds[item.world] = None
        elif isinstance(item, Recomputed):
            found.values.setdefault(item.unit.group, []).append(item)
            found.worlds[item.background] = None
            if item.frozen is not None:
                found.worlds[item.frozen] = None
            stack += [(item.background, mix) for _, mix in reversed(item.mixes) if mix is not None]
        elif isinstance(item, Linear):
            stack += [share.value for share in item.shares]
        else:
            background, mix = item
            found.mixes.setdefault(mix.group, []).append(item)
            if mix.before is not None:
                stack.append((background, mix.before))
            for override in mix.overrides:
                found.roles.update(((role, override.on), None) for role in override.roles or ())
                stack.append(override.value)
    return found


def reference(readout: Readout, metrics: Mapping[str, Metric], models: dict[str, Recomputed]) -> Value | None:
    """What a readout of logits is compared with: its own second value, or the model on the measured rows. None where it is not.

    `models` keeps one such value a distribution.
    """
    if not isinstance(readout, LogitsReadout):
        return None
    if len(readout.values) > 1:
        return readout.values[1]
    if not readout.compared(metrics):
        return None
    if readout.labels not in models:
        models[readout.labels] = Recomputed(LOGITS, Run(readout.labels), (("in", None),))
    return models[readout.labels]
