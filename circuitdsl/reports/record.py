"""Puts a run's findings together as Evidence."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from circuitdsl.borders.evidence import (
    ClaimRecord,
    ConditionRecord,
    DistributionRecord,
    FileRecord,
    MemberRecord,
    ReadoutRecord,
)
from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Estimand, Lowered, MeanOf, ProportionOf
from circuitdsl.borders.prompts import Distribution
from circuitdsl.borders.source import Source
from circuitdsl.borders.values import Readout
from circuitdsl.borders.verdict import ClaimVerdict


@dataclass(frozen=True)
class Asked:
    """A claim, what it was lowered to, and the rows it is measured on."""

    claim: Claim
    lowered: Lowered
    part: Literal["exploring", "verifying"]
    rows: tuple[int, ...]

    def column(self, readout: Readout) -> str:
        """The name of a readout's column in the evidence: the same readout on the other part is another column."""
        return f"{readout.digest}.{self.part}"


def claim_record(asked: Asked, verdict: ClaimVerdict) -> ClaimRecord:
    claim, lowered = asked.claim, asked.lowered
    return ClaimRecord(
        label=claim.label,
        text=claim.text,
        line=0,
        measure=claim.measure,
        warn=claim.warn,
        rows=asked.part,
        conditions=dict(lowered.conditions),
        readouts=tuple(ReadoutRecord(name=name, column=asked.column(readout)) for name, readout in lowered.readouts.items()),
        members=tuple(MemberRecord(label=m.label, about=m.about, estimand=describe(m.estimand)) for m in lowered.members),
        verdict=verdict,
    )


def describe(estimand: Estimand) -> str:
    """The statistic in words, over the claim's named columns."""
    if isinstance(estimand, ProportionOf):
        return f"proportion({estimand.of})"
    if isinstance(estimand, MeanOf):
        return f"mean({estimand.of})"
    numerator, denominator = f"mean({estimand.numerator})", f"mean({estimand.denominator})"
    return f"|{numerator}| / |{denominator}|" if estimand.absolute else f"{numerator} / {denominator}"


def file_record(source: Source) -> FileRecord:
    name = source.path.name if source.path else source.name
    return FileRecord(name=name, sha256=hashlib.sha256(source.text.encode()).hexdigest(), text=source.text)


def distribution_records(hypothesis: Hypothesis) -> tuple[DistributionRecord, ...]:
    return tuple(
        DistributionRecord(
            name=found.name,
            n=len(found),
            paired=found.paired,
            available=found.available,
            layouts=len(found.rows_by_layout()),
            sha256=rows_sha256(found, range(len(found))),
        )
        for found in hypothesis.distributions.values()
    )


def rows_sha256(distribution: Distribution, rows: Iterable[int]) -> str:
    """Hash of those prompts' token ids, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(np.asarray(distribution.prompts[row].tokens, dtype="<i8").tobytes() + b"\0")
    return digest.hexdigest()


def condition_records(values: Mapping[str, object], origins: Mapping[str, str]) -> tuple[ConditionRecord, ...]:
    return tuple(ConditionRecord(name=name, value=str(value), origin=origins.get(name, "default")) for name, value in values.items())


def column_tuples(asked: Sequence[Asked], columns: Mapping[tuple[str, str], np.ndarray]) -> dict[str, tuple[float, ...]]:
    """`columns` by (readout digest, part), as the evidence holds them."""
    return {
        one.column(readout): tuple(map(float, columns[readout.digest, one.part]))
        for one in asked
        for readout in one.lowered.readouts.values()
    }
