"""What a `scrub` claim compares: the scrubbed run, the model's own, and the baseline's."""

from dataclasses import replace
from functools import cached_property

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import (
    RatioOf,
)
from circuitdsl.borders.measure import difference as minus
from circuitdsl.borders.source import CircError
from circuitdsl.borders.values import Algebra, Draw, Gather, Recomputed, Run
from circuitdsl.measures.banks import FEWEST_BANKS, LARGEST_TREE, MOST_SLOTS, counted, sampling_of, size_of, sizes
from circuitdsl.measures.circuit_runs import circuit_logits, within
from circuitdsl.measures.scrub_donors import ScrubDonors
from circuitdsl.measures.scrub_options import ScrubOptions
from circuitdsl.measures.scrub_runs import Sampling, Scrubbing, SharedDraw, tree_size
from circuitdsl.measures.worlds import ablation, background

MOST_ITSELF = 0.2
"""Share of draws that may give the reference itself before verdicts allow for what that hides, with a warning."""
ALMOST_ALL = 0.999
"""Where all draws give the reference itself, they say nothing: the bound then reaches from far below 0."""
MOST_REPLICATES = 1000


class Scrubs:
    """The runs that a claim compares: scrubbed, the model's own, and the baseline's. Banks have at most `most_slots`."""

    def __init__(self, claim: Claim[ScrubOptions], hypothesis: Hypothesis, algebra: Algebra, most_slots: int = MOST_SLOTS):
        self.claim, self.hypothesis, self.algebra = claim, hypothesis, algebra
        self.measured = claim.measured
        options = claim.options
        self.links = within(hypothesis, options.circuit)
        self.baseline = options.baseline
        apart = tuple(SharedDraw(name, hypothesis.nodes[name].places) for name in options.others or ())
        self.sampling = Sampling(self.measured, options.from_ or self.measured, apart=apart)
        self._scrubbed: dict[tuple[object, ...], Recomputed] = {}
        self.model = algebra.logits(Run(self.measured))
        whole = self.scrubbing(free=self.baseline == "unconditional")
        groups = (group for groups in whole.incoming.values() for group in groups)
        self.features = tuple(dict.fromkeys(group.carries for group in groups if group.carries))
        self._guard()
        self.tree = tree_size(whole.incoming, whole.kept)
        how, self.why = sampling_of(claim, hypothesis.source, self.tree, self.scrubbing, most_slots)
        self.sampling = replace(self.sampling, **how)
        self.banks = self.sampling.kind == "banks"
        self.replicates = int(options.replicates or (FEWEST_BANKS if self.banks else 1))
        self.donors = ScrubDonors(claim, hypothesis, self.sampling)
        if hypothesis.settings.align == "absolute":
            self._check_places()

    def scrubbing(self, limit: int | None = None, **changes: object) -> Scrubbing:
        sampling = replace(self.sampling, **changes)  # type: ignore[arg-type]
        return Scrubbing(self.algebra, self.hypothesis, self.links, sampling, limit)

    def scrubbed(self, replicate: int = 0, **changes: object) -> Recomputed:
        key = (replicate, *sorted(changes.items()))
        if key not in self._scrubbed:
            self._scrubbed[key] = self.scrubbing(None, replicate=replicate, **changes).logits()
        return self._scrubbed[key]

    def draws(self, **changes: object) -> list[Recomputed]:
        """The scrubbed logits of every draw, each with its donors drawn anew."""
        return [self.scrubbed(number, **changes) for number in range(self.replicates)]

    def score(self, scrubbed: str) -> RatioOf:
        """Of the column of that name."""
        return RatioOf(minus(scrubbed, "F(base)"), minus("F(M)", "F(base)"), banks=self.banks)

    @property
    def how(self) -> str:
        """How it is sampled, and why if that was not asked for."""
        said = f"banks of {self.sampling.banks}" if self.banks else self.sampling.kind
        return f"{said}: {self.why}" if self.why else said

    @cached_property
    def once(self) -> dict[str, int | None]:
        """Recomputations a prompt and draw with shared draws, and in banks if they are used."""
        found = {"shared": size_of(self.scrubbing(LARGEST_TREE, kind="shared"))}
        return found | ({"banks": size_of(self.scrubbing())} if self.banks else {})

    @property
    def sizes(self) -> str:
        """Recomputations a prompt and draw of each way to sample."""
        said = {"shared": "with shared draws", "banks": f"in banks of {self.sampling.banks}"}
        return sizes(self.tree, {said[how]: size for how, size in self.once.items()})

    @property
    def cost(self) -> str:
        """Recomputations a prompt in all, as far as scrubbed runs were asked for."""
        size = self.tree if self.sampling.kind == "tree" else self.once[self.sampling.kind]
        return f"about {counted(len(self._scrubbed) * (size or 0))} recomputations a prompt in all"

    def base(self, replicate: int, **changes: object) -> Recomputed:
        """`shuffle` reads a prompt of the layout (or length) with the row's own labels: as likely as the row with that prompt's."""
        match self.baseline:
            case "shuffle":
                draw = Draw(self.measured, self.measured, f"{replicate}:shuffle")
                return self.algebra.logits(Gather(self.measured, draw))
            case "unconditional":
                return self.scrubbed(replicate, free=True, **changes)
        chosen = background(ablation(self.claim, self.hypothesis), self.measured, self.hypothesis)
        return circuit_logits(self.algebra, (), chosen, Run(self.measured))

    def itself(self) -> float:
        """The largest share of draws that give the reference itself, of all features that are carried; 0 where it hides nothing.

        It does not if it is small, or if these are all prompts that there are: then it is as large in what is estimated.
        """
        measured = self.hypothesis.distributions[self.measured]
        whole = measured.available == len(measured) == len(self.hypothesis.rows(self.measured, "verifying"))
        if self.sampling.pool != self.sampling.on or whole:
            return 0.0
        cells = [self.donors.cells(feature) for feature in self.features]
        share = max((len(one) / sum(one.values()) for one in cells), default=0.0)
        return min(share, ALMOST_ALL) if share > MOST_ITSELF else 0.0

    def _error(self, code: str, message: str, hint: str) -> CircError:
        return refusal(code, message, self.claim.span, hint, source=self.hypothesis.source)

    def _guard(self) -> None:
        replicates = self.claim.options.replicates
        if replicates is not None and not (1 <= replicates <= MOST_REPLICATES and replicates == int(replicates)):
            hint = "`replicates = 4` draws four donors for each prompt"
            raise self._error("C375", f"`replicates` is a whole number from 1 to {MOST_REPLICATES:,}", hint)
        for feature in self.features:
            for name in (self.sampling.on, self.sampling.pool):
                if name not in self.hypothesis.features.get(feature, {}):
                    message = f"the prompts of `{name}` have no `{feature}`, which a node carries"
                    raise self._error("C376", message, "scrub on prompts that have it, with donors that have it")

    def _check_places(self) -> None:
        """That what donors have elsewhere is delivered to readers that may read it there."""
        incoming = self.scrubbing().incoming
        self.donors.check(incoming)
        if self.baseline == "unconditional":
            ScrubDonors(self.claim, self.hypothesis, replace(self.sampling, free=True)).check_free(incoming)
