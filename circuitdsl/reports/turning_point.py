"""What would change a decided verdict."""

from circuitdsl.borders.evidence import ClaimRecord
from circuitdsl.reports.numbers import number


def turning(claim: ClaimRecord) -> str:
    """For a decided claim, the bound at which these prompts would no longer decide it so, in words; from the intervals, so only about.

    Of several members, the bound that all of them support.
    """
    members, asked = claim.verdict.members, claim.comparison
    lows = [member.estimate.low for member in members if member.estimate.low is not None]
    highs = [member.estimate.high for member in members if member.estimate.high is not None]
    bounded = len(lows) == len(highs) == len(members) > 0
    if asked is None or not bounded or claim.verdict.outcome not in ("supported", "refuted"):
        return ""
    low, high = min(lows), max(highs)
    supported = claim.verdict.outcome == "supported"
    if asked.operator == "=":
        away = max(abs(low - asked.value), abs(high - asked.value))
        return f"a margin of about {number(away)} " + ("is the least that these prompts support" if supported else "would hold it")
    end = low if asked.operator in (">=", ">") else high
    return f"{asked.operator} {number(end)} is about the strongest bound that these prompts support" + ("" if supported else " instead")
