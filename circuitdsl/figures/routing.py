"""Arrows with right angles between boxes: shortest ways on a grid of tracks, one arrow a track, with few turns and crossings.

A* over (track point, direction); the arrows that are nearest to straight are laid first. Where there are so many arrows that this would
take minutes, the last of them run over tracks that are taken as if they were free.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from circuitdsl.borders.flags import Progress, quiet
from circuitdsl.figures.positions import Point, Rect

STEP = 5.0
"""Distance between tracks in points."""
CLEAR = 6.0
"""Room round a box that only its own arrows enter, straight: an arrowhead's length."""
TURN, CROSSING, FOREIGN, SIDE, SHARED = 3.0, 3.0, 3.0, 6.0, 40.0
"""Costs in steps: a turn, a crossing, a step within a group's box that is none of the arrow's, leaving downward, a shared track."""
BESIDE = (0.5, 0.35, 0.2)
"""Costs of a step one, two, three tracks from another arrow: labels need room."""
OUTLINE = 8.0
"""Cost of a step along a group's outline, which would hide it."""
PATIENCE = 2_000_000
"""States that are looked at in search of tracks, for all arrows together: some seconds."""
HASTE = 1.5
"""Weight of the way ahead where arrows run over each other: a longer way is taken for one that is found at once."""
MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))
"""Up, right, down, left. The axis of a move is its number modulo 2."""


@dataclass(frozen=True, slots=True)
class Ends:
    """An arrow to be laid, from one box's side to another's. `around` are the groups that either end stands in."""

    id: str
    sender: Rect
    receiver: Rect
    around: frozenset[str] = frozenset()


class Board:
    """Track points within `area`, numbered row by row. `obstacles` may not be entered; `frames`, groups' boxes, at a cost."""

    def __init__(self, area: Rect, obstacles: Sequence[Rect], frames: Mapping[str, Rect]) -> None:
        self._area = area
        self._across = math.floor(area.width / STEP + 1e-9) + 1
        self._down = math.floor(area.height / STEP + 1e-9) + 1
        size = self._across * self._down
        self._free = bytearray(b"\1") * size
        for obstacle in obstacles:
            for point in self._points(obstacle.grown(CLEAR - 0.01)):
                self._free[point] = 0
        self._frames = {name: self._points(rect) for name, rect in frames.items()}
        self._laid = (bytearray(size), bytearray(size))
        """For each axis, which points are taken: 0 up and down, 1 across."""
        self._near = ([0.0] * size, [0.0] * size)
        """For each axis, what a step to a point costs more because another arrow or a group's outline runs beside it."""
        for rect in frames.values():
            left, top, right, bottom = rect.left, rect.top, rect.right, rect.bottom
            level, upright = (Rect(left, y, right, y) for y in (top, bottom)), (Rect(x, top, x, bottom) for x in (left, right))
            for axis, sides in ((1, level), (0, upright)):
                for point in (point for side in sides for point in self._points(side.grown(STEP - 0.5))):
                    self._near[axis][point] = OUTLINE
        self._looked = 0
        """States looked at so far."""
        self._steps: dict[frozenset[str], list[float]] = {}
        self._left: dict[tuple[Rect, float], list[float]] = {}

    def route(self, wanted: Sequence[Ends], progress: Progress = quiet) -> tuple[dict[str, tuple[Point, ...]], list[str]]:
        """Ways by id, and the ids of arrows that had to share a track with another."""
        ways: dict[str, tuple[Point, ...]] = {}
        crowded = []
        for number, ends in enumerate(sorted(wanted, key=_difficulty)):
            progress("drawing the figure: laying arrows", number / len(wanted))
            found = self._search(ends, share=False) if self._looked < PATIENCE else None
            if found is None:
                crowded.append(ends.id)
                found = self._search(ends, share=True)
            ways[ends.id] = self._lay(found, ends) if found else (ends.sender.middle, ends.receiver.middle)
        return ways, crowded

    def _search(self, ends: Ends, share: bool) -> list[tuple[int, int]] | None:
        """Track points with the direction in which each is reached. `share` permits tracks that are taken, at a price."""
        hasty = share and self._looked >= PATIENCE
        loop = ends.sender == ends.receiver
        out, into = ((None, 0.0, None, 1.0), (0.0, None, 0.5, None)) if loop else ((0.0, 1.0, SIDE, 1.0), (SIDE, 1.0, 0.0, 1.0))
        goals = {4 * point + (move + 2) % 4: cost for point, move, cost in self._doors(ends.receiver, into, share)}
        steps = self._steps_round(ends.around)
        ahead = self._ahead(ends.receiver.grown(CLEAR + STEP), HASTE if hasty else 1.0)
        free, laid, near, across, down = self._free, self._laid, self._near, self._across, self._down
        goal = 4 * len(free)
        best: dict[int, float] = {}
        came: dict[int, int] = {}
        queue: list[tuple[float, int, float]] = []

        def offer(state: int, origin: int, cost: float, left: float) -> None:
            if cost < best.get(state, math.inf):
                best[state] = cost
                came[state] = origin
                heapq.heappush(queue, (cost + left, state, cost))

        for point, move, cost in self._doors(ends.sender, out, share):
            offer(4 * point + move, -1, cost, ahead[point])
        while queue:
            _, state, cost = heapq.heappop(queue)
            if cost > best[state]:
                continue
            self._looked += 1
            if state == goal:
                return self._states(came, goal)
            if state in goals:
                offer(goal, state, cost + goals[state], 0.0)
            point, move = divmod(state, 4)
            x, y = point % across, point // across
            here = laid[0][point] or laid[1][point]
            for onward in (move, (move + 1) % 4, (move + 3) % 4):
                dx, dy = MOVES[onward]
                if not (0 <= x + dx < across and 0 <= y + dy < down):
                    continue
                beyond, axis = point + dx + dy * across, onward % 2
                if not free[beyond]:
                    continue
                # going straight on needs the point's own axis, turning both
                clash = laid[axis][point] or (onward != move and here) or laid[axis][beyond]
                if clash and not share:
                    continue
                price = steps[beyond] + (0.0 if hasty else near[axis][beyond]) + (TURN if onward != move else 0.0)
                price += 0.0 if hasty else SHARED if clash else CROSSING if here else 0.0
                offer(4 * beyond + onward, state, cost + price, ahead[beyond])
        return None

    def _steps_round(self, around: frozenset[str]) -> list[float]:
        """What a step to each point costs an arrow whose ends stand in these groups."""
        if around not in self._steps:
            steps = [1.0] * len(self._free)
            for name, points in self._frames.items():
                if name not in around:
                    for point in points:
                        steps[point] += FOREIGN
            self._steps[around] = steps
        return self._steps[around]

    @staticmethod
    def _states(came: dict[int, int], goal: int) -> list[tuple[int, int]]:
        found, state = [], came[goal]
        while state >= 0:
            found.append(divmod(state, 4))
            state = came[state]
        return found[::-1]

    def _lay(self, found: list[tuple[int, int]], ends: Ends) -> tuple[Point, ...]:
        """Takes the tracks of a way, and gives its corners from box to box."""
        for (point, move), (_, onward) in zip(found, [*found[1:], found[-1]], strict=True):
            self._laid[move % 2][point] = self._laid[onward % 2][point] = 1
            x, y = point % self._across, point // self._across
            dx, dy = MOVES[(onward + 1) % 4]
            for away, cost in enumerate(BESIDE, 1):
                for i, j in ((x + away * dx, y + away * dy), (x - away * dx, y - away * dy)):
                    if 0 <= i < self._across and 0 <= j < self._down:
                        beside = self._near[onward % 2]
                        beside[j * self._across + i] = max(cost, beside[j * self._across + i])
        points = [self._place(point) for point, _ in found]
        first, last = _foot(points[0], ends.sender, found[0][1]), _foot(points[-1], ends.receiver, (found[-1][1] + 2) % 4)
        return _corners([first, *points, last])

    def _doors(self, rect: Rect, costs: tuple[float | None, ...], share: bool) -> list[tuple[int, int, float]]:
        """Track points just outside each side that has a cost, with the way outward; those near a side's middle are a little cheaper."""
        doors = []
        for move, ((dx, dy), cost) in enumerate(zip(MOVES, costs, strict=True)):
            if cost is None:
                continue
            low, high = (rect.left, rect.right) if dy else (rect.top, rect.bottom)
            origin, other = (self._area.left, self._area.top) if dy else (self._area.top, self._area.left)
            inset = min(5.0, (high - low) / 2 - 0.01)
            side = {0: rect.top, 1: rect.right, 2: rect.bottom, 3: rect.left}[move]
            outward = dx + dy
            beyond = (side + outward * CLEAR - other) / STEP
            fixed = math.ceil(beyond - 1e-9) if outward > 0 else math.floor(beyond + 1e-9)
            for index in range(math.ceil((low + inset - origin) / STEP), math.floor((high - inset - origin) / STEP) + 1):
                i, j = (index, fixed) if dy else (fixed, index)
                if not (0 <= i < self._across and 0 <= j < self._down):
                    continue
                point = j * self._across + i
                if self._free[point] and (share or not self._laid[move % 2][point]):
                    along = origin + index * STEP
                    doors.append((point, move, cost + 0.3 * abs(along - (low + high) / 2) / max(high - low, 1.0)))
        return doors

    def _place(self, point: int) -> Point:
        return self._area.left + point % self._across * STEP, self._area.top + point // self._across * STEP

    def _points(self, rect: Rect) -> list[int]:
        def span(low: float, high: float, count: int) -> range:
            return range(max(0, math.ceil(low / STEP)), min(count - 1, math.floor(high / STEP)) + 1)

        columns = span(rect.left - self._area.left, rect.right - self._area.left, self._across)
        rows = span(rect.top - self._area.top, rect.bottom - self._area.top, self._down)
        return [j * self._across + i for j in rows for i in columns]

    def _ahead(self, target: Rect, weight: float) -> list[float]:
        """Steps that are left at least, for every point, times the weight."""
        if (target, weight) not in self._left:
            xs = [self._area.left + i * STEP for i in range(self._across)]
            ys = [self._area.top + j * STEP for j in range(self._down)]
            across = [max(target.left - x, 0.0, x - target.right) / STEP for x in xs]
            self._left[target, weight] = [weight * (i + max(target.top - y, 0.0, y - target.bottom) / STEP) for y in ys for i in across]
        return self._left[target, weight]


def _foot(point: Point, rect: Rect, side: int) -> Point:
    """Where the straight way from a door meets its box."""
    x, y = point
    return ((x, rect.top), (rect.right, y), (x, rect.bottom), (rect.left, y))[side]


def _corners(points: Sequence[Point]) -> tuple[Point, ...]:
    """Without the points at which nothing turns."""
    kept = [points[0]]
    for (before, point), (_, after) in pairwise(pairwise(points)):
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
