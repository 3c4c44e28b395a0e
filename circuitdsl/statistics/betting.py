"""Betting on a bounded mean (Waudby-Smith & Ramdas 2024): evidence and confidence sequences that hold at any stopping time.

A gambler who bets against "the mean is at most θ" before each observation, and can never owe anything, multiplies the money by
1 + λ(x − θ); were the statement true, the expected money would never exceed 1, whenever one looks. Observations [T] lie in [0, 1].
"""

import numpy as np

MOST = 0.75
"""The share of what could be lost at worst that is ever bet (the truncation c of the paper)."""


def wealth_above(observations: np.ndarray, theta: float) -> np.ndarray:
    """[..., T]: an e-process against "the mean is at most θ". The bets are approximately growth-optimal (aGRAPA) and predictable."""
    mean, variance = _predictable(observations)
    edge = mean - theta
    bets = np.clip(edge / (variance + edge**2), 0.0, MOST / max(theta, 0.01))
    return _wealth(bets * (observations - theta))


def wealth_below(observations: np.ndarray, theta: float) -> np.ndarray:
    """[..., T]: an e-process against "the mean is at least θ"."""
    return wealth_above(1 - observations, 1 - theta)


def confidence_sequence(observations: np.ndarray, confidence: float, grid: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Low and high [T]: with probability `confidence` the mean is between them at every time at once (hedged capital).

    Those m of a grid, widened by one step, for which max(½ K⁺(m), ½ K⁻(m)) has never reached 1/α. The bets are the paper's
    predictable plug-in: √(2 ln(2/α) / (σ̂² t ln(1 + t))), the same for every m but for the truncation, so that the set is an interval.
    """
    alpha, steps = 1 - confidence, len(observations)
    _, variance = _predictable(observations)
    times = np.arange(1, steps + 1)
    bets = np.sqrt(2 * np.log(2 / alpha) / (variance * times * np.log1p(times)))
    means = np.linspace(0, 1, grid + 1)[:, None]
    up = _wealth(np.minimum(bets, MOST / np.maximum(means, 1e-9)) * (observations - means))
    down = _wealth(-np.minimum(bets, MOST / np.maximum(1 - means, 1e-9)) * (observations - means))
    rejected = np.maximum.accumulate(np.maximum(up, down) / 2 >= 1 / alpha, axis=1)
    centre = round(float(observations.mean()) * grid)
    low = np.array([_first(~rejected[:, time], centre) for time in range(steps)]) - 1
    high = np.array([grid - _first(~rejected[::-1, time], grid - centre) for time in range(steps)]) + 1
    return np.clip(low / grid, 0, 1), np.clip(high / grid, 0, 1)


def _first(accepted: np.ndarray, otherwise: int) -> int:
    return int(np.argmax(accepted)) if accepted.any() else otherwise


def _predictable(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance before each observation, [..., T] each, starting from 1/2 and 1/4."""
    times = np.arange(1, observations.shape[-1] + 1)
    means = (0.5 + np.cumsum(observations, axis=-1)) / (times + 1)
    variances = (0.25 + np.cumsum((observations - means) ** 2, axis=-1)) / (times + 1)
    return _before(means, 0.5), _before(variances, 0.25)


def _before(values: np.ndarray, start: float) -> np.ndarray:
    return np.concatenate([np.full((*values.shape[:-1], 1), start), values[..., :-1]], axis=-1)


def _wealth(gains: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.exp(np.minimum(np.cumsum(np.log1p(gains), axis=-1), 700.0))
    return found
