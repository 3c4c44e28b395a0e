"""`attention`: where heads look."""

from dataclasses import dataclass

from circuitdsl.borders.hypothesis import Claim, Hypothesis
from circuitdsl.borders.measure import Combination, Lowered, MeanOf, Measure, Member, NumberRange, Signature, column
from circuitdsl.borders.options import Options, option
from circuitdsl.borders.readouts import AttentionWeight
from circuitdsl.borders.units import Roles
from circuitdsl.borders.values import Algebra, Run


@dataclass(frozen=True, kw_only=True)
class AttentionOptions(Options):
    query: Roles = option("role", required=True, help="the position that looks")
    key: Roles = option("role", required=True, help="the position that is looked at")


def _lower_attention(claim: Claim[AttentionOptions], hypothesis: Hypothesis, algebra: Algebra) -> Lowered:
    measured, query, key = claim.measured, claim.options.query, claim.options.key
    heads = [place.unit for place in claim.paths[0].start]
    readouts = {
        str(head): AttentionWeight(algebra.base(Run(measured), head), measured, query=query, key=key) for head in dict.fromkeys(heads)
    }
    if claim.paths[0].each is not None:
        members = tuple(Member(name, MeanOf(column(name)), about=name) for name in readouts)
    else:
        share = 1 / len(readouts)
        members = (Member(claim.paths[0].text, MeanOf(Combination(tuple((name, share) for name in readouts))), about=claim.paths[0].text),)
    return Lowered(readouts, members, {"on": measured, "query": ", ".join(map(str, query or ())), "key": ", ".join(map(str, key or ()))})


ATTENTION = Measure(
    name="attention",
    summary="how much attention a head gives from one role to another",
    formula="weight from the query's positions (mean) to the key's positions (sum), mean over prompts (and over the node's heads)",
    unit="share of the head's attention",
    range=NumberRange(0, 1),
    source="Wang et al. 2022 (arXiv 2211.00593), section 3.1",
    signature=Signature(
        subject="node",
        kinds=("head",),
        options=AttentionOptions,
    ),
    lower=_lower_attention,
    example="attention(each late, query = END, key = A) >= 0.5",
    details="Measured in the model's plain run. `each NODE` makes every head a member.",
)
