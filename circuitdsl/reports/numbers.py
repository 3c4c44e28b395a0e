"""Numbers in words: as many digits as their interval deserves."""

import math

from circuitdsl.borders.verdict import Estimate


def number(value: float | None, digits: int = 3) -> str:
    """`value` with about three significant digits and a typographic minus; `none` if there is no number."""
    if value is None or math.isnan(value):
        return "none"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0:
        text = "0"
    elif size >= 10_000 or size < 0.0005:
        text = f"{size:.{digits - 1}e}"
    else:
        text = f"{size:.{max(0, digits - 1 - max(math.floor(math.log10(size)), -1))}f}"
    return f"−{text}" if value < 0 and float(text) else text


def estimate(value: Estimate) -> str:
    return number(value.value)


def interval(value: Estimate) -> str:
    """`[low, high]`; a side without bound is ∞; empty if there is no interval at all."""
    if value.low is None and value.high is None and value.standard_error == 0:
        return f"({value.note.partition(';')[0].partition(':')[0]})"
    if value.low is None and value.high is None:
        return "(no bounded interval)" if value.note and value.value is not None else ""
    low = number(value.low) if value.low is not None else "−∞"
    high = number(value.high) if value.high is not None else "∞"
    return f"[{low}, {high}]"
