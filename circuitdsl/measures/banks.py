"""Banks: how scrubbing samples where the tree is too large.

A bank of M gives each node M *slots* in place of a call for every path. A slot is a call whose donors depend on the slot and on
the class of what it must agree with, and on nothing else; for each sender's draw it takes one of the sender's slots. So a node has
at most M values for each reference that it can be given, whatever the number of paths to it.

- A slot's donors, one for each class, are uniform: the donors of a node's slots are its class in random order, in turn, so that
  two slots taken at random have the same donor as often as two independent draws (exactly so where M is a multiple of the class).
- Which slot a slot takes is a random permutation for each reader and draw: two paths meet in one slot with probability 1/M.
- Prompts draw independently, by their row; which slots are taken is the same for all of them.

So a bank departs from the tree, F, through what several paths have in common: F_M = F + b/M + O(1/M²), and of what two paths have
in common, with n donors in the class, it is b (1/M − 1/n), which is nothing from M = n on. Banks of M/2, drawn independently, tell
Δ = F_{M/2} − F_M, and **|F_M − F| ≤ |Δ| wherever doubling M halves what is left of the bias, or better**: so it is with the leading
term alone, and with the second form. So F lies between F_{M/2} and 2 F_M − F_{M/2}, and the claim's interval and verdict hold for all
of that (statistics/bounded.py). The standard error counts what differs between banks.

- Extrapolation alone (2 F_M − F_{M/2}, Richardson 1911) is not taken: it is right if the bias is b/M to the letter, overshoots where
  it falls faster, as above, and has five times the variance. It is one end of the bound.
- What is assumed is an inequality that the numbers suggest and do not prove. It fails where banks are so small that the bias no longer
  grows as they shrink, since nearly all paths meet, or where the metric saturates: W066 warns of a bias that is a large part of the score.
- Without assumptions there is only the chance that any two paths of a prompt meet, about (paths)²/2M, times the metric's range: that
  is more than the range itself wherever banks are needed.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from circuitdsl.borders.diagnostics import refusal
from circuitdsl.borders.hypothesis import Claim
from circuitdsl.borders.source import CircError, Source
from circuitdsl.measures.scrub_runs import Scrubbing, TooLarge

if TYPE_CHECKING:
    from circuitdsl.measures.scrub_options import ScrubOptions

LARGEST_TREE = 4000
"""Recomputations a prompt and draw: more take hours on a real model."""
LARGEST_BANK = 1000
"""The same for banks whose size is not stated, of at most and at least so many slots."""
MOST_SLOTS, FEWEST_SLOTS = 1024, 4
MOST_STATED = 1 << 16
"""Slots that a claim may state; what is recomputed has the tree's limit."""
FEWEST_BANKS = 4
"""Independent banks, so that a standard error between them means something."""


def sampling_of(
    claim: "Claim[ScrubOptions]", source: Source, tree: int, sized: Callable[..., Scrubbing], most_slots: int = MOST_SLOTS
) -> tuple[dict[str, Any], str]:
    """The claim's way of sampling, as fields of `Sampling`, and why it is that; `sized` makes a scrubbing with such fields.

    Banks whose size is not stated have `most_slots` or, where that is too large, fewer.

    Raises CircError C386 for banks that cannot be, C377 for what is too large whatever is done.
    """

    def refuse(code: str, message: str, hint: str) -> CircError:
        return refusal(code, message, claim.span, hint, source=source)

    options = claim.options
    stated, slots, banks = options.sampling, options.banks, options.replicates
    if slots is not None and not (2 <= slots <= MOST_STATED and slots % 2 == 0):
        hint = "`banks = 64` gives every node 64 values to take from"
        raise refuse("C386", f"`banks` is an even number of slots from 2 to {MOST_STATED:,}", hint)
    if slots is not None and stated not in (None, "banks"):
        raise refuse("C386", f"`banks` goes with `sampling = banks`, not with `{stated}`", f"leave out `banks`, or `sampling = {stated}`")
    if slots is None and stated != "banks":
        if stated == "shared" or tree <= LARGEST_TREE:
            return {"kind": stated or "tree"}, ""
        if stated == "tree":
            hint = "leave out `sampling`: banks are taken then; or scrub a part of it with `circuit = (…)`"
            message = f"the tree of this hypothesis has {counted(tree)} recomputations for every prompt; the most is {LARGEST_TREE:,}"
            raise refuse("C377", message, hint)
    if banks is not None and banks < FEWEST_BANKS:
        hint = f"`replicates = {FEWEST_BANKS}`, or leave it out"
        raise refuse("C386", f"the standard error over banks needs at least {FEWEST_BANKS} of them", hint)
    why = "" if stated or slots else f"the tree has {counted(tree)} recomputations for every prompt, more than {LARGEST_TREE:,}"
    if slots is not None:
        found = {"kind": "banks", "banks": int(slots)}
        if size_of(sized(**found, limit=LARGEST_TREE)) is not None:
            return found, why
    else:
        slots = most_slots
        while slots >= FEWEST_SLOTS:
            found = {"kind": "banks", "banks": slots}
            if size_of(sized(**found, limit=LARGEST_BANK)) is not None:
                return found, why
            slots //= 2
    message = f"this hypothesis is too large for banks: the tree has {counted(tree)} recomputations for every prompt"
    raise refuse("C377", message, "fewer banks; `sampling = shared`; or scrub a part of it with `circuit = (…)`")


def size_of(scrubbing: Scrubbing) -> int | None:
    """Recomputations a prompt, each different one once, where draws are shared or in banks; None above the limit."""
    try:
        scrubbing.logits()
    except TooLarge:
        return None
    return scrubbing.size


def counted(number: int) -> str:
    return f"{number:,}" if number < 10**12 else f"about 10^{len(str(number)) - 1}"


def sizes(tree: int, once: Mapping[str, int | None]) -> str:
    """What `plan` and the report say of the sizes of ways to sample."""
    others = [f"{size:,} {how}" for how, size in once.items() if size is not None]
    return ", ".join([f"{counted(tree)} recomputations in the tree", *others])
