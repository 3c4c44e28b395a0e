"""The circuit's run, and runs with parts knocked out, as values (docs/semantics.md, section 4)."""

from collections import defaultdict
from collections.abc import Iterable

from circuitdsl.borders.hypothesis import Hypothesis, Link, Place
from circuitdsl.borders.kinds import Port
from circuitdsl.borders.units import EMBED, LOGITS, Roles
from circuitdsl.borders.values import Algebra, Override, Recomputed, Value, World

EMBEDDING, OUTPUT = Place(EMBED, "embed"), Place(LOGITS, "logits")


def circuit_values(
    algebra: Algebra, links: Iterable[Link], background: World, clean: World, frozen: World | None = None
) -> dict[Place, Value]:
    """`out_H` of every place that the links name, and the logits: each recomputed over the background from its own senders.

    With no link the logits are the background's.
    """
    incoming: defaultdict[Place, dict[Port, dict[Place, Roles]]] = defaultdict(dict)
    incoming[OUTPUT] = {}
    for link in links:
        if link.sender not in incoming:
            incoming[link.sender] = {}
        ports = incoming[link.receiver]
        arriving = ports.get(link.port)
        if arriving is None:
            arriving = ports[link.port] = {}
        _deliver(link, arriving)
    values: dict[Place, Value] = {}
    overrides: dict[tuple[Place, Roles], Override] = {}

    def override(sender: Place, roles: Roles) -> Override:
        found = overrides.get((sender, roles))
        if found is None:
            found = overrides[sender, roles] = Override(sender.unit, roles, values[sender])
        return found

    for place in sorted(incoming, key=lambda p: (p.unit.key, p.node)):
        if place.unit == EMBED:
            values[place] = algebra.base(clean, EMBED)
            continue
        mixes = {
            port: algebra.mix(override(sender, roles) for sender, roles in arriving.items()) for port, arriving in incoming[place].items()
        }
        values[place] = algebra.recomputed(place.unit, background, mixes, frozen)
    return values


def _deliver(link: Link, arriving: dict[Place, Roles]) -> None:
    """Adds where the sender's value arrives by this link to where it arrives by others; None: everywhere."""
    sender = link.sender
    roles = sender.roles if link.roles is None else link.roles
    if roles is not None:
        before = arriving.get(sender, ())
        roles = None if before is None else tuple(dict.fromkeys((*before, *roles)))
    arriving[sender] = roles


def circuit_logits(algebra: Algebra, links: Iterable[Link], background: World, clean: World, frozen: World | None = None) -> Recomputed:
    """The logits of the circuit's run."""
    found = circuit_values(algebra, links, background, clean, frozen)[OUTPUT]
    assert isinstance(found, Recomputed)
    return found


def without_senders(links: Iterable[Link], removed: Iterable[Place]) -> tuple[Link, ...]:
    """C∖K for nodes: every edge but those that leave K."""
    gone = set(removed)
    return tuple(link for link in links if link.sender not in gone)


def without_links(links: Iterable[Link], removed: Iterable[Link]) -> tuple[Link, ...]:
    """C∖K for edges."""
    gone = set(removed)
    return tuple(link for link in links if link not in gone)


def within(hypothesis: Hypothesis, names: Iterable[str] | None) -> tuple[Link, ...]:
    """The circuit's links, or those between the named nodes (with `embed` and `logits`): a part of the declared circuit."""
    if names is None:
        return hypothesis.links
    kept = {place for name in names for place in hypothesis.nodes[name].places} | {EMBEDDING, OUTPUT}
    return tuple(link for link in hypothesis.links if link.sender in kept and link.receiver in kept)


def with_live(hypothesis: Hypothesis, links: tuple[Link, ...], names: Iterable[str] | None) -> tuple[Link, ...]:
    """`keep = G`: the units of G are live in this run, whatever the circuit: they read and feed every live place.

    A live place is one of G, one that the links name, or `embed` for the units of G: they read the measured prompt's embedding in every
    run, that of the empty circuit too.
    """
    kept = dict.fromkeys(place for name in names or () for place in hypothesis.nodes[name].places)
    if not kept:
        return links
    named = dict.fromkeys([EMBEDDING, *(place for link in links for place in (link.sender, link.receiver)), OUTPUT])
    reads = hypothesis.shape.reads
    added = [
        Link(sender, receiver, port)
        for sender in dict.fromkeys([*kept, *named])
        for receiver in dict.fromkeys([*kept, *named])
        if (sender in kept or receiver in kept) and reads(receiver.unit, sender.unit)
        for port in receiver.unit.ports
    ]
    return tuple(dict.fromkeys([*links, *added]))
