"""The step of MLPs and their neurons."""

from dataclasses import dataclass

from circuitdsl.borders.steps.base import Memory, Products, RegisterStep, Setting
from circuitdsl.borders.steps.work import Work, activations, mlp, product

MLP_ROWS_AT_ONCE = 1024
"""Rows of an MLP that are computed at once on a CPU: activations [rows, 4d] that stay in the caches are 1.5 times as fast."""


@dataclass(frozen=True, slots=True)
class Transform(RegisterStep):
    """An MLP (`neurons` None), or some of its neurons' activations, of normalised reads."""

    read: int
    layer: int
    neurons: tuple[int, ...] | None
    positions: tuple[int, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        return (self.read,)

    @property
    def calls(self) -> float:
        return 16

    def _rows(self, setting: Setting) -> int:
        return setting.registers[self.read].variants * len(self.positions)

    def work(self, setting: Setting) -> Work:
        if self.neurons is None:
            return mlp(setting.shape, self._rows(setting))
        return product(self._rows(setting), setting.shape.width, len(self.neurons))

    def memory(self, setting: Setting) -> Memory:
        rows, shape = self._rows(setting), setting.shape
        if self.neurons is not None:
            return Memory(3 * rows * len(self.neurons), 2 * setting.weights(self.neurons, 1))
        blocks = rows * shape.width * (setting.prompts * rows > MLP_ROWS_AT_ONCE)
        return Memory(blocks, activations(shape) * shape.mlp_width * min(MLP_ROWS_AT_ONCE, setting.prompts * rows))

    def products(self, setting: Setting, backgrounds: int) -> Products:
        return Products(setting.registers[self.read].variants, 1, backgrounds)
