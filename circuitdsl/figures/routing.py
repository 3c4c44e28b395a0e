"""Arrows with right angles between boxes: shortest ways on a grid of tracks, one arrow a track, with few turns and crossings.

Dijkstra's algorithm over (track point, direction); the arrows that are nearest to straight are laid first.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from circuitdsl.figures.positions import Point, Rect

STEP = 5.0
"""Distance between tracks in points."""
CLEAR = 6.0
"""Room round a box that only its own arrows enter, straight: an arrowhead's length."""
TURN, CROSSING, FOREIGN, SIDE, SHARED = 3.0, 3.0, 3.0, 6.0, 40.0
"""Costs in steps: a turn, a crossing, a step within a group's box that is none of the arrow's, leaving downward, a shared track."""
BESIDE = (0.5, 0.35, 0.2)
"""Costs of a step one, two, three tracks from another arrow: labels need room."""
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))
"""Up, right, down, left."""


@dataclass(frozen=True, slots=True)
class Ends:
    """An arrow to be laid, from one box's side to another's. Boxes in `around` are groups that it may stand in for nothing."""

    id: str
    sender: Rect
    receiver: Rect
    around: frozenset[str] = frozenset()


@dataclass(slots=True)
class Board:
    """Tracks within `area`. `obstacles` may not be entered; `frames` are groups' boxes, which may be crossed at a cost."""

    area: Rect
    obstacles: Sequence[Rect]
    frames: Mapping[str, Rect] = field(default_factory=dict)
    _blocked: set[tuple[int, int]] = field(default_factory=set)
    _laid: dict[tuple[int, int], int] = field(default_factory=dict)
    """Bits of the axes in which a point is taken: 1 up and down, 2 across."""
    _near: dict[tuple[tuple[int, int], int], float] = field(default_factory=dict)
    """What a step in an axis costs more because another arrow runs beside it."""

    def __post_init__(self) -> None:
        for obstacle in self.obstacles:
            self._blocked.update(self._points(obstacle.grown(CLEAR - 0.01)))

    def route(self, wanted: Sequence[Ends]) -> tuple[dict[str, tuple[Point, ...]], list[str]]:
        """Ways by id, and the ids of arrows that had to share a track with another."""
        ways: dict[str, tuple[Point, ...]] = {}
        crowded = []
        for ends in sorted(wanted, key=_difficulty):
            way = self._search(ends, share=False)
            if way is None:
                crowded.append(ends.id)
                way = self._search(ends, share=True) or (ends.sender.middle, ends.receiver.middle)
            ways[ends.id] = way
        return ways, crowded

    def _search(self, ends: Ends, share: bool) -> tuple[Point, ...] | None:
        """`share` permits tracks that are taken, at a price."""
        loop = ends.sender == ends.receiver
        out, into = ((None, 0.0, None, 1.0), (0.0, None, 0.5, None)) if loop else ((0.0, 1.0, SIDE, 1.0), (SIDE, 1.0, 0.0, 1.0))
        starts = {(point, move): cost for point, move, cost in self._doors(ends.sender, out, share)}
        goals = {(point, (move + 2) % 4): cost for point, move, cost in self._doors(ends.receiver, into, share)}
        foreign = set().union(*(self._points(rect) for name, rect in self.frames.items() if name not in ends.around))
        best: dict[tuple[tuple[int, int], int], float] = {}
        came: dict[tuple[tuple[int, int], int], tuple[tuple[int, int], int]] = {}
        queue: list[tuple[float, tuple[int, int], int, float]] = []
        target = ends.receiver.grown(CLEAR + STEP)
        for (point, move), cost in starts.items():
            best[point, move] = cost
            heapq.heappush(queue, (cost + self._ahead(point, target), point, move, cost))
        while queue:
            _, point, move, cost = heapq.heappop(queue)
            if cost > best[point, move]:
                continue
            if point == (-1, -1):
                return self._way(came, (point, move), ends)
            if (point, move) in goals:
                self._offer(best, came, queue, ((-1, -1), move), (point, move), cost + goals[point, move], 0.0)
            for turn in (0, 1, 3):
                onward = (move + turn) % 4
                price = self._price(point, move, onward, share)
                if price is None:
                    continue
                dx, dy = MOVES[onward]
                beyond = (point[0] + dx, point[1] + dy)
                if not self._free(beyond) or (not share and self._laid.get(beyond, 0) & _axis(onward)):
                    continue
                price += 1.0 + (FOREIGN if beyond in foreign else 0.0) + self._near.get((beyond, _axis(onward)), 0.0)
                self._offer(best, came, queue, (beyond, onward), (point, move), cost + price, self._ahead(beyond, target))
        return None

    @staticmethod
    def _offer(best, came, queue, state, origin, cost: float, ahead: float) -> None:
        if cost < best.get(state, math.inf):
            best[state] = cost
            came[state] = origin
            heapq.heappush(queue, (cost + ahead, *state, cost))

    def _price(self, point: tuple[int, int], move: int, onward: int, share: bool) -> float | None:
        """What leaving a point costs, None if it is forbidden: turning needs both axes of the point."""
        taken = self._laid.get(point, 0)
        price = TURN if onward != move else 0.0
        clash = taken & (3 if onward != move else _axis(onward))
        if clash:
            return price + SHARED if share else None
        return price + (CROSSING if taken else 0.0)

    def _way(self, came, state, ends: Ends) -> tuple[Point, ...]:
        states = []
        while state in came:
            state = came[state]
            states.append(state)
        states.reverse()
        for (point, move), (_, onward) in zip(states, [*states[1:], states[-1]], strict=True):
            self._laid[point] = self._laid.get(point, 0) | _axis(move) | _axis(onward)
            dx, dy = MOVES[(onward + 1) % 4]
            for away, cost in enumerate(BESIDE, 1):
                for side in (-away, away):
                    key = (point[0] + side * dx, point[1] + side * dy), _axis(onward)
                    self._near[key] = max(cost, self._near.get(key, 0.0))
        points = [self._place(point) for point, _ in states]
        first, last = _foot(points[0], ends.sender, states[0][1]), _foot(points[-1], ends.receiver, (states[-1][1] + 2) % 4)
        return _straightened([first, *points, last])

    def _doors(self, rect: Rect, costs: tuple[float | None, ...], share: bool) -> list[tuple[tuple[int, int], int, float]]:
        """Track points just outside each side that has a cost, with the way outward; those near a side's middle are a little cheaper."""
        doors = []
        for move, (dx, dy) in enumerate(MOVES):
            cost = costs[move]
            if cost is None:
                continue
            low, high = (rect.left, rect.right) if dy else (rect.top, rect.bottom)
            origin = self.area.left if dy else self.area.top
            inset = min(5.0, (high - low) / 2 - 0.01)
            for index in range(math.ceil((low + inset - origin) / STEP), math.floor((high - inset - origin) / STEP) + 1):
                along = origin + index * STEP
                if dy:
                    edge = rect.top - CLEAR if dy < 0 else rect.bottom + CLEAR
                    across = (edge - self.area.top) / STEP
                    point = (index, math.floor(across + 1e-9) if dy < 0 else math.ceil(across - 1e-9))
                else:
                    edge = rect.left - CLEAR if dx < 0 else rect.right + CLEAR
                    across = (edge - self.area.left) / STEP
                    point = (math.floor(across + 1e-9) if dx < 0 else math.ceil(across - 1e-9), index)
                if self._free(point) and (share or not self._laid.get(point, 0) & _axis(move)):
                    doors.append((point, move, cost + 0.3 * abs(along - (low + high) / 2) / max(high - low, 1.0)))
        return doors

    def _free(self, point: tuple[int, int]) -> bool:
        x, y = self._place(point)
        within = self.area.left - 1e-6 <= x <= self.area.right + 1e-6 and self.area.top - 1e-6 <= y <= self.area.bottom + 1e-6
        return within and point not in self._blocked

    def _place(self, point: tuple[int, int]) -> Point:
        return self.area.left + point[0] * STEP, self.area.top + point[1] * STEP

    def _points(self, rect: Rect) -> set[tuple[int, int]]:
        across = range(math.ceil((rect.left - self.area.left) / STEP), math.floor((rect.right - self.area.left) / STEP) + 1)
        down = range(math.ceil((rect.top - self.area.top) / STEP), math.floor((rect.bottom - self.area.top) / STEP) + 1)
        return {(i, j) for i in across for j in down}

    def _ahead(self, point: tuple[int, int], target: Rect) -> float:
        """Steps that are left at least."""
        x, y = self._place(point)
        return (max(target.left - x, 0, x - target.right) + max(target.top - y, 0, y - target.bottom)) / STEP


def _axis(move: int) -> int:
    return 2 if MOVES[move][0] else 1


def _foot(point: Point, rect: Rect, side: int) -> Point:
    """Where the straight way from a door meets its box."""
    x, y = point
    return ((x, rect.top), (rect.right, y), (x, rect.bottom), (rect.left, y))[side]


def _straightened(points: Sequence[Point]) -> tuple[Point, ...]:
    """Without the points at which nothing turns."""
    kept = [points[0]]
    for before, point, after in zip(points, points[1:], points[2:], strict=False):
        level = abs(before[0] - point[0]) < 1e-6 and abs(point[0] - after[0]) < 1e-6
        upright = abs(before[1] - point[1]) < 1e-6 and abs(point[1] - after[1]) < 1e-6
        if not (level or upright):
            kept.append(point)
    return (*kept, points[-1])


def _difficulty(ends: Ends) -> tuple[float, str]:
    a, b = ends.sender, ends.receiver
    across = max(b.left - a.right, 0, a.left - b.right)
    up = max(b.top - a.bottom, 0, a.top - b.bottom)
    return 2 * across + up, ends.id
