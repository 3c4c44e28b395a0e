"""The mean of numbers of a known range, from a sample however skewed or constant: Gaffke's test.

Of n independent numbers in [low, high], sorted, the test against "the mean is at least θ" has the p-value

    P(D₁x₁ + … + Dₙxₙ + Dₙ₊₁·high ≥ θ),    D uniform on the simplex,

and against "at most θ" the same from below, with `low` (Gaffke 2005). For numbers that are only `low` and `high` it is Clopper and
Pearson's, for n equal numbers x it is Markov's inequality, ((high − θ)/(high − x))ⁿ; no distribution is known for which it errs more
often than it says (Learned-Miller & Thomas 2020), nor was one found here (tests/09_statistics/test_gaffke.py). For numbers far inside
their range it is about as wide as Student's t, and wider by what one more number at the end of the range would do.

The probability is that of a sum of exponential variables with weights c = (x − θ, high − θ) being positive. It is computed as
Rice (1980) does: the inverse Laplace integral along the line through the saddle point, where nothing cancels, so that the tiniest
p-value has all its digits.
"""

import math
from collections.abc import Callable

import numpy as np

POINTS, REACH = 200, 14.0
"""Points on the line through the saddle point, and how far it reaches: sinh of so many deviations, as what is left falls by the square."""


def above(values: np.ndarray, low: float, theta: float) -> float:
    """P-value against "the mean of `values` [n], none of them below `low`, is at most `theta`"."""
    return _positive(np.append(theta - values, theta - low)) if math.isfinite(low) else 1.0


def below(values: np.ndarray, high: float, theta: float) -> float:
    """P-value against "the mean of `values` [n], none of them above `high`, is at least `theta`"."""
    return _positive(np.append(values - theta, high - theta)) if math.isfinite(high) else 1.0


def ends(values: np.ndarray, low: float, high: float, level: float) -> tuple[float | None, float | None]:
    """The least and the greatest mean that neither test rejects at the one-sided `level`; None on a side without a bound."""
    mean = float(values.mean())
    least = _crossing(lambda theta: above(values, low, theta), low, mean, level) if math.isfinite(low) else None
    most = _crossing(lambda theta: below(values, high, theta), high, mean, level) if math.isfinite(high) else None
    return least, most


def _crossing(p_value: Callable[[float], float], outer: float, inner: float, level: float) -> float:
    """Where a p-value that is small at `outer` and large at `inner` is `level`."""
    from scipy.optimize import brentq

    def off(theta: float) -> float:
        return math.log(max(p_value(theta), 1e-300) / level)

    return float(brentq(off, outer, inner, xtol=1e-12, rtol=1e-9)) if off(outer) < 0 < off(inner) else outer


def _positive(weights: np.ndarray) -> float:
    """P(Σ weights·E ≥ 0), E independent and exponential."""
    scale = float(np.abs(weights).max(initial=0.0))
    if scale == 0 or weights.min() >= 0:
        return 1.0
    if weights.max() <= 0:
        return 0.0
    c = weights / scale
    if c.sum() >= 0:  # then the other tail is the small one, or neither
        return 1.0 - _positive(-weights) if c.sum() > 0 else _tail(c)
    return _tail(c)


def _tail(c: np.ndarray) -> float:
    """∫ exp(K(s))/s ds / 2πi along Re s = s₀, K(s) = −Σ log(1 − cs), s₀ where K(s) − log s is least between 0 and 1/max c."""
    ceiling = 1 / float(c.max())
    low, high = 0.0, ceiling
    for _ in range(60):
        point = (low + high) / 2
        if float((c / (1 - c * point)).sum()) - 1 / point < 0:
            low = point
        else:
            high = point
    point = (low + high) / 2
    shares = c / (1 - c * point)
    step = REACH / POINTS
    v = (np.arange(POINTS) + 0.5) * step
    width = math.sqrt(float((shares**2).sum()) + 1 / point**2)
    y, lengths = np.sinh(v) / width, np.cosh(v) / width  # dense at the saddle point, and far-reaching
    with np.errstate(over="ignore", invalid="ignore"):
        factors = np.multiply.reduce(1 - 1j * np.multiply.outer(shares, y), axis=0) * (point + 1j * y)
        found = np.nan_to_num((1 / factors).real, nan=0.0, posinf=0.0, neginf=0.0)
    height = math.exp(-float(np.log1p(-c * point).sum()))
    return float(min(1.0, max(0.0, height * (found * lengths).sum() * step / math.pi)))
