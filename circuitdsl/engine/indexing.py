"""Indexing along an axis as torch takes them: a slice, hence a view, wherever they lie together."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from circuitdsl.borders.steps import Index

Along = slice | Tensor
EVERY = slice(None)


@dataclass(slots=True)
class Indexing:
    """Makes index tensors once for a device."""

    device: torch.device
    _kept: dict[tuple[int, ...], Along] = field(default_factory=dict)

    def along(self, index: Index) -> Along:
        if index is None:
            return EVERY
        found = self._kept.get(index)
        if found is None:
            start, count = index[0], len(index)
            together = index == tuple(range(start, start + count))
            found = slice(start, start + count) if together else torch.tensor(index, device=self.device)
            self._kept[index] = found
        return found

    def tensor(self, index: tuple[int, ...]) -> Tensor:
        found = self.along(index)
        return torch.arange(found.start, found.stop, device=self.device) if isinstance(found, slice) else found

    def take(self, tensor: Tensor, *indices: Index) -> Tensor:
        """Indexing along the first, second, … axis; an axis may be skipped with None. Views first, so that copies are of the rest alone."""
        chosen: list[tuple[int, Tensor]] = []
        for axis, index in enumerate(indices):
            along = self.along(index)
            if isinstance(along, Tensor):
                chosen.append((axis, along))
            elif index is not None:
                tensor = tensor.narrow(axis, along.start, along.stop - along.start)
        for axis, along in chosen:
            tensor = tensor.index_select(axis, along)
        return tensor

    def put(self, out: Tensor, variants: Index, positions: Index, members: Index, value: Tensor) -> None:
        """out[variants, :, positions, members] = value, [m, B, p, …]; without members where `out` has no such axis."""
        indices = {0: variants, 2: positions, 3: members}
        gathered: dict[int, Tensor] = {}
        for axis, index in indices.items():
            along = self.along(index)
            if isinstance(along, Tensor):
                gathered[axis] = along
            elif index is not None:
                out = out.narrow(axis, along.start, along.stop - along.start)
        sizes = [len(gathered[axis]) if axis in gathered else size for axis, size in enumerate(out.shape)]
        value = value.expand(sizes)
        if not gathered:
            out.copy_(value)
        elif len(gathered) == 1:
            [(axis, along)] = gathered.items()
            out.index_copy_(axis, along, value)
        else:  # place by place along one axis
            axis = min(gathered)
            rest = {other: indices[other] for other in gathered if other != axis}
            for number, place in enumerate(indices[axis] or ()):
                self.put(out.narrow(axis, place, 1), rest.get(0), rest.get(2), rest.get(3), value.narrow(axis, number, 1))

    def add(self, out: Tensor, variants: Index, positions: Index, value: Tensor) -> None:
        """out[variants, :, positions] += value, [m, B, p, d]."""
        first, second = self.along(variants), self.along(positions)
        if isinstance(first, slice):
            out = out[first]
        if isinstance(second, slice):
            out = out[:, :, second]
        if isinstance(first, slice) and isinstance(second, slice):
            out += value
        elif isinstance(second, slice):
            out.index_add_(0, first, value)  # type: ignore[arg-type]
        elif isinstance(first, slice):
            out.index_add_(2, second, value)
        else:
            widened = value.new_zeros(*value.shape[:2], *out.shape[2:])
            widened.index_copy_(2, second, value)
            out.index_add_(0, first, widened)
