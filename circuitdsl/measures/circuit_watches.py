"""What the measures of a circuit ask to be watched, and the readouts that it takes."""

from collections.abc import Iterable, Mapping

from circuitdsl.borders.hypothesis import Ablation, Hypothesis, Link, Place
from circuitdsl.borders.prompts import Arithmetic
from circuitdsl.borders.readouts import AttentionMoved, Readout
from circuitdsl.borders.values import Algebra, Gather, Mean, Run, World
from circuitdsl.borders.watches import DonorCounts, EmptyCircuit, Mechanism, Watch
from circuitdsl.measures.worlds import rows_of


def empty_circuit(hypothesis: Hypothesis, metric: str | None, measured: str) -> tuple[Watch, ...]:
    """Chance is known for a difference: 0."""
    if metric is None or not isinstance(found := hypothesis.metrics[metric].bound.get(measured), Arithmetic) or found.operator != "-":
        return ()
    return (EmptyCircuit("F(∅)", "F(M)"),)


def mechanism(
    hypothesis: Hypothesis, algebra: Algebra, links: tuple[Link, ...], chosen: Ablation, measured: str
) -> tuple[Mapping[str, Readout], tuple[Watch, ...]]:
    """How far each of the circuit's heads attends elsewhere on the donors that replace the prompts."""
    if chosen.distribution is None or chosen.distribution == measured:
        return {}, ()
    ends = {place for link in links for place in (link.sender, link.receiver)}
    return attention_moved(algebra, ends, rows_of(chosen.distribution, measured, hypothesis), measured)


def attention_moved(
    algebra: Algebra, places: Iterable[Place], donor: World, measured: str
) -> tuple[Mapping[str, Readout], tuple[Watch, ...]]:
    """A readout for each head of the places, of how far it attends elsewhere on the donors, and what is watched of them."""
    heads = {place for place in places if place.unit.spec.attends}
    readouts = {
        f"attention of {place.unit} moved": AttentionMoved(
            algebra.base(Run(measured), place.unit), measured, algebra.base(donor, place.unit), query=place.roles
        )
        for place in sorted(heads, key=lambda place: (place.unit.key, place.node))
    }
    return readouts, (Mechanism({name.split(" moved")[0].removeprefix("attention of "): name for name in readouts}),) if readouts else ()


def donors(hypothesis: Hypothesis, background: World, measured: str) -> tuple[Watch, ...]:
    """How many donors each layout (or length) of the measured prompts has; a row's own partner is no draw."""
    if not isinstance(background, Gather | Mean):
        return ()
    align = hypothesis.settings.align
    own = hypothesis.distributions[measured].rows_alike(align)
    pool = hypothesis.distributions[background.distribution].rows_alike(align)
    itself = isinstance(background, Gather) and background.distribution == measured
    return (
        DonorCounts(
            {
                (
                    f"{alike} tokens"
                    if isinstance(alike, int)
                    else f"layout {number} (template {alike.template + 1}, {alike.length} tokens)"
                ): len(pool.get(alike, ())) - itself
                for number, alike in enumerate(own, 1)
            }
        ),
    )
