"""A `decodable` claim as vectors, probes that are fitted on exploring prompts, and columns of what they say of the others."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis, Place
from circuitdsl.borders.measure import (
    AucOf,
    Estimand,
    Lowered,
    MeanOf,
    Member,
    PermutedOf,
    ProportionOf,
    Scored,
    Search,
    column,
    difference,
)
from circuitdsl.borders.readouts import InputVector, OutputVector, VectorReadout
from circuitdsl.borders.source import CircError
from circuitdsl.borders.units import EMBED, LOGITS
from circuitdsl.borders.values import Algebra, Run
from circuitdsl.borders.watches import Guesses, Watch
from circuitdsl.measures.probe_options import DecodableOptions, ProbeOptions
from circuitdsl.measures.probes import CONTROLS, Probe, available, commonest, control_labels, fit

ColumnsOfVectors = Callable[[Sequence[int], Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


class FittedProbes(NamedTuple):
    """A member's probe, and one for each labelling of the control task with the types' labels there."""

    probe: Probe
    controls: Sequence[tuple[Probe, Mapping[int, int]]]


class ProbeTask:
    """What is decoded from what: the label of each row, the types of the control task, and each member's vectors."""

    def __init__(self, claim: Claim[ProbeOptions], hypothesis: Hypothesis, algebra: Algebra):
        self.claim, self.hypothesis, self.algebra = claim, hypothesis, algebra
        self.measured, self.slot = claim.measured, claim.slots[0]
        self.of = claim.options.of
        self.selective = claim.measure == "decodable.selectivity"
        self.score = claim.options.score if isinstance(claim.options, DecodableOptions) else "accuracy"
        self.label = self._classes(self.slot)
        classes = len(set(self.label.tolist()))
        if self.score == "auc" and classes != 2:
            hint = f"`score = accuracy`, or a feature with two values, such as `feature one = {self.slot} == …`"
            raise self.refuse("C396", f"the area under the curve is of two classes, and `{self.slot}` has {classes}", hint)
        self.types = claim.options.types or self._finer()
        if self.types is None and self.selective:
            hint = "name one with `types =`, or claim `decodable`, which is judged without it"
            raise self.refuse("C397", f"no slot or feature divides the classes of `{self.slot}`, so there is no control task", hint)
        if self.types is not None and self._divides(self.types) is False:
            message = f"`{self.types}` has no more classes than `{self.slot}`: labels drawn for them are no other task"
            raise self.refuse("C397", message, "types are finer than what is decoded, as words are than their number")
        self.places = self._members(claim)

    def refuse(self, code: str, message: str, hint: str) -> CircError:
        return refusal(code, message, self.claim.span, hint, source=self.hypothesis.source)

    def _classes(self, name: str) -> np.ndarray:
        found = self.hypothesis.features.get(name, {}).get(self.measured)
        if found is None:
            raise self.refuse("C395", f"the prompts of `{self.measured}` have no `{name}`", "name a slot or feature that all of them have")
        return np.array(found)

    def _divides(self, name: str) -> bool:
        """Whether every class of this variable has one label, and there are more of them than labels."""
        types = self._classes(name)
        pairs = set(zip(types.tolist(), self.label.tolist(), strict=True))
        return len(pairs) == len(set(types.tolist())) > len(set(self.label.tolist()))

    def _finer(self) -> str | None:
        """The coarsest variable that divides the label's classes."""
        known = [name for name, found in self.hypothesis.features.items() if self.measured in found and self._divides(name)]
        return min(known, key=lambda name: (len(set(self._classes(name).tolist())), name), default=None)

    def _members(self, claim: Claim[ProbeOptions]) -> dict[str, tuple[Place, ...]]:
        path = claim.paths[0]
        places = tuple(dict.fromkeys(path.start))
        members: dict[str, tuple[Place, ...]] = {path.text: places}
        if path.each is not None:
            members = {str(place.unit): (place,) for place in places}
        for name, some in members.items():
            if self.of == "output" and any(place.unit == LOGITS for place in some):
                raise self.refuse("C399", "the logits write nothing to the stream", "`of = input` probes what they read")
            if self.of == "input" and any(place.unit == EMBED for place in some):
                raise self.refuse("C399", "`embed` reads no stream", "leave out `of = input`: what it writes can be probed")
            if self.of == "input" and len({place.unit.group for place in some}) > 1:
                raise self.refuse("C399", f"the units of `{name}` do not read one stream", "probe them one by one: `each` before the node")
        return members

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Each member's readouts: of an input, which its units share, one for each set of positions."""
        return {member: tuple(dict.fromkeys(map(self._name, places))) for member, places in self.places.items()}

    def readouts(self) -> dict[str, VectorReadout]:
        vector = OutputVector if self.of == "output" else InputVector
        return {
            self._name(place): vector(self.algebra.base(Run(self.measured), place.unit), self.measured, at=place.roles)
            for places in self.places.values()
            for place in places
        }

    def _name(self, place: Place) -> str:
        what = str(place.unit) if self.of == "output" else f"input of {place.unit.group}"
        return f"{what} @ {', '.join(map(str, place.roles))}" if place.roles is not None else what

    def vectors(self, member: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """[N, d]: the sum of the member's parts."""
        return np.asarray(np.sum([columns[name] for name in self.parts[member]], axis=0))

    def fitted(self, columns: Mapping[str, np.ndarray], rows: Sequence[int]) -> dict[str, FittedProbes]:
        """Each member's probes, from these rows."""
        label = self.label[list(rows)]
        tasks: list[tuple[Mapping[int, int], np.ndarray]] = []
        if self.types is not None:
            every = self._classes(self.types)
            key = f"{self.hypothesis.settings.seed}/{self.slot}/{self.types}"
            mine = every[list(rows)].tolist()
            tasks = [(drawn, np.array([drawn[kind] for kind in mine])) for drawn in control_labels(every, label, key)]
        found = {}
        for member in self.places:
            x = self.vectors(member, columns)
            found[member] = FittedProbes(fit(x, label), [(fit(x, control), drawn) for drawn, control in tasks])
        return found


def decode(claim: Claim[ProbeOptions], hypothesis: Hypothesis, algebra: Algebra) -> Search:
    """The vectors to look at; then the probes fitted on them, and what to measure on the other prompts.

    Raises CircError C395 to C399.
    """
    if not available():
        message, hint = "linear probes need scikit-learn, which is not installed", "pip install 'circuitdsl[probes]'"
        raise refusal("C398", message, claim.span, hint, source=hypothesis.source)
    task = ProbeTask(claim, hypothesis, algebra)
    rows, held_out = hypothesis.divided(claim, task.measured)
    return Search(task.readouts(), lambda columns: _scored(task, task.fitted(columns, rows), rows, held_out))


def _scored(task: ProbeTask, fitted: Mapping[str, FittedProbes], seen: Sequence[int], held_out: Sequence[int]) -> Lowered:
    guess, highest = commonest(task.label[list(seen)]), int(task.label.max())
    types = None if task.types is None else task._classes(task.types)

    def columns(rows: Sequence[int], vectors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        label = task.label[list(rows)]
        found = {"label": label, "guess right": label == guess, "positive": label == highest}
        for member, (probe, controls) in fitted.items():
            x = task.vectors(member, vectors)
            found |= {f"{member}: decoded": probe.predict(x), f"{member}: score": probe.score(x) if task.score == "auc" else None}
            found[f"{member}: right"] = found[f"{member}: decoded"] == label
            if types is not None:
                here = types[list(rows)].tolist()
                hits = [control.predict(x) == np.array([drawn[kind] for kind in here]) for control, drawn in controls]
                found[f"{member}: control right"] = np.mean(hits, axis=0)
        return {name: np.asarray(values, dtype=float) for name, values in found.items() if values is not None}

    members, watches = [], list[Watch]()
    for member in fitted:
        right, control = f"{member}: right", f"{member}: control right"
        area, seed = task.score == "auc", task.hypothesis.settings.seed
        permuted = PermutedOf(f"{member}: {'score' if area else 'decoded'}", "positive" if area else "label", area, seed)
        accuracy, selectivity = ProportionOf(right), MeanOf(difference(right, control))
        judged: Estimand = selectivity if task.selective else AucOf(f"{member}: score", "positive") if area else accuracy
        beside: dict[str, Estimand] = {"accuracy": accuracy, "commonest class": ProportionOf("guess right"), "p (permuted)": permuted}
        if types is not None:
            beside |= {"control task": MeanOf(column(control)), "selectivity": selectivity}
        beside = {name: estimand for name, estimand in beside.items() if estimand != judged}
        members.append(Member(member, judged, beside, about=member))
        watches.append(Guesses(member, permuted, selectivity if types is not None else None))
    return Lowered(
        task.readouts(), tuple(members), _conditions(task, seen, held_out), watches=tuple(watches), scored=_named(task, seen, columns)
    )


def _conditions(task: ProbeTask, seen: Sequence[int], held_out: Sequence[int]) -> dict[str, str]:
    """Types that were not seen cannot be memorised, so the share of prompts whose type was seen is told."""
    if task.types is None:
        control = f"none: nothing is finer than {task.slot}"
    else:
        every = task._classes(task.types)
        known = np.isin(every[list(held_out)], every[list(seen)]).mean() if held_out else 0.0
        control = f"{CONTROLS} labellings of {task.types} ({len(set(every.tolist()))} types, {known:.0%} of the prompts' seen in fitting)"
    what = "what the node writes" if task.of == "output" else "the stream that it reads"
    return {
        "on": task.measured,
        "label": f"{task.slot} ({len(set(task.label.tolist()))} classes)",
        "probe": f"logistic regression on {what}, fitted on {len(seen)} other prompts",
        "control task": control,
    }


def _named(task: ProbeTask, seen: Sequence[int], columns: ColumnsOfVectors) -> Scored:
    content = [task.slot, task.types or "", task.score, task.measured, str(task.hypothesis.settings.seed), str(seen)]
    content += [readout.digest for readout in task.readouts().values()]
    shares = {f"{member}: {name}": (0.0, 1.0) for member in task.places for name in ("right", "control right")}
    return Scored(hashlib.sha256("\0".join(content).encode()).hexdigest(), columns, shares)
