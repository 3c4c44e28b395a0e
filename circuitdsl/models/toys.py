"""Models written by hand whose circuits are known: ground truths that can be worked out on paper.

`python -m circuitdsl.models.toys NAME FOLDER` writes one of `TOYS` as a model folder.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from circuitdsl.models.adapter import TransformerAdapter, adapt
from circuitdsl.models.toy import build_toy, write_toy

BOS = "<bos>"
COLOURS = ("red", "blue", "green", "white", "black", "brown", "pink", "grey", "gold", "tan", "teal", "plum")


@dataclass
class Draft:
    """A toy being written. `spaces` names orthogonal parts of the residual stream with their widths; they never share a direction.

    Matrices map between parts: `read` takes [n, w] to rows of a projection [n, d], `write` takes [w, n] to columns [d, n].
    """

    layers: int
    heads: int
    head_width: int
    context: int
    tokens: Sequence[str]
    spaces: Mapping[str, int]
    mlp_width: int = 0
    causal: bool = True
    bos: str | None = None
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def width(self) -> int:
        return sum(self.spaces.values())

    def read(self, space: str, matrix: Any = None) -> np.ndarray:
        start = sum(width for name, width in self.spaces.items() if [*self.spaces].index(name) < [*self.spaces].index(space))
        wide = np.zeros((self.spaces[space], self.width))
        wide[:, start : start + self.spaces[space]] = np.eye(self.spaces[space])
        return wide if matrix is None else np.asarray(matrix, dtype=float) @ wide

    def write(self, space: str, matrix: Any = None) -> np.ndarray:
        return self.read(space, None if matrix is None else np.asarray(matrix).T).T

    def embed(self, tokens: np.ndarray, positions: np.ndarray | None = None) -> None:
        """Token embedding [V, d] and position embedding [context, d]."""
        self.weights["body.tokens.weight"] = tokens
        if positions is not None:
            self.weights["body.positions.weight"] = positions

    def unembed(self, matrix: np.ndarray) -> None:
        """[V, d]."""
        self.weights["unembed.weight"] = matrix

    def head(self, layer: int, index: int, *, v: np.ndarray, out: np.ndarray, q: Any = None, k: Any = None) -> None:
        """q, k, v [n, d] and out [d, n], n at most the head's width. Without q and k every visible position is attended to alike."""
        start, inner = index * self.head_width, self.heads * self.head_width
        for port, matrix in (("q", q), ("k", k), ("v", v)):
            if matrix is not None:
                name = f"body.blocks.{layer}.attention.{port}.weight"
                self.weights.setdefault(name, np.zeros((inner, self.width)))[start : start + len(matrix)] = matrix
        name = f"body.blocks.{layer}.attention.output.weight"
        self.weights.setdefault(name, np.zeros((self.width, inner)))[:, start : start + out.shape[1]] = out

    def mlp(self, layer: int, up: np.ndarray, down: np.ndarray, up_bias: Any = None, down_bias: Any = None) -> None:
        """relu(up x + up_bias) taken to the stream by down; up [n, d], down [d, n], n at most the MLP's width."""
        given: dict[str, tuple[Any, tuple[int, ...]]] = {
            "up.weight": (up, (self.mlp_width, self.width)),
            "up.bias": (up_bias, (self.mlp_width,)),
            "down.weight": (down, (self.width, self.mlp_width)),
            "down.bias": (down_bias, (self.width,)),
        }
        for name, (matrix, shape) in given.items():
            if matrix is not None:
                padded = self.weights[f"body.blocks.{layer}.mlp.{name}"] = np.zeros(shape)
                padded[tuple(slice(size) for size in np.shape(matrix))] = matrix

    @property
    def config(self) -> dict[str, Any]:
        return {
            "layers": self.layers,
            "heads": self.heads,
            "width": self.width,
            "head_width": self.head_width,
            "mlp_width": self.mlp_width,
            "vocabulary": len(self.tokens),
            "context": self.context,
            "attention": "hard",
            "causal": self.causal,
        }

    def adapter(self, name: str = "toy") -> TransformerAdapter:
        """The model in memory, float64."""
        return adapt(build_toy(self.config, self.weights), name)

    def save(self, folder: Path) -> None:
        write_toy(folder, self.config, self.weights, self.tokens, self.bos)


# ---------------------------------------------------------------- numbers and gates, of one token


def arithmetic(numbers: Sequence[float] = (1, 10)) -> Draft:
    """Two layers of two heads that add 1, 2, 3 and 4 times what they read; token i is worth `numbers[i]`, its last logit the stream."""
    toy = Draft(2, 2, 1, 1, [*map(str, numbers), "sum"], {"number": 1})
    toy.embed(np.array([[float(number)] for number in numbers] + [[0.0]]))
    for factor, (layer, index) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)], start=1):
        toy.head(layer, index, v=toy.read("number"), out=toy.write("number", [[factor]]))
    toy.unembed(np.vstack([np.zeros((len(numbers), 1)), [[1.0]]]))
    return toy


def gate(kind: str, bits: int) -> Draft:
    """Token t says `bits` bits; head i carries bit i; the MLP computes OR, 1 − relu(1 − S), or AND, relu(S − bits + 1).

    The token "true" has the gate's value as its logit.
    """
    patterns = [[t >> bit & 1 for bit in range(bits)] for t in range(2**bits)]
    tokens = ["".join(map(str, pattern)) for pattern in patterns] + ["true"]
    toy = Draft(1, bits, 1, 1, tokens, {"bits": bits, "sum": 1, "gate": 1}, mlp_width=1)
    toy.embed(np.vstack([np.array(patterns, dtype=float) @ toy.read("bits"), np.zeros(toy.width)]))
    for bit in range(bits):
        toy.head(0, bit, v=toy.read("bits", np.eye(bits)[[bit]]), out=toy.write("sum"))
    if kind == "or":
        toy.mlp(0, -toy.read("sum"), -toy.write("gate"), up_bias=[1.0], down_bias=toy.write("gate")[:, 0])
    else:
        toy.mlp(0, toy.read("sum"), toy.write("gate"), up_bias=[1.0 - bits])
    toy.unembed(np.vstack([np.zeros((2**bits, toy.width)), toy.read("gate")]))
    return toy


# ---------------------------------------------------------------- induction


def induction(words: Sequence[str] = COLOURS, context: int = 16, twin: bool = False) -> Draft:
    """Two layers of two heads without norms: 0.0 attends to the previous position and notes its token, 1.0 looks for a position
    whose previous token is the current one and gives the token there. Every logit is the attention that its token gets so.

    0.1 and 1.1 write where nobody reads; with `twin`, 1.1 is a second 1.0.
    """
    tokens = [BOS, *words]
    n = len(tokens)
    spaces = {"token": n, "position": context, "previous": n, "copied": n, "own": n, "seen": n}
    toy = Draft(2, 2, max(n, context), context, tokens, spaces, bos=BOS)
    toy.embed(toy.read("token"), toy.read("position"))
    before = np.eye(context, k=-1)  # position p asks for p − 1
    toy.head(0, 0, q=toy.read("position", before.T), k=toy.read("position"), v=toy.read("token"), out=toy.write("previous"))
    toy.head(0, 1, q=toy.read("position"), k=toy.read("position"), v=toy.read("token"), out=toy.write("own"))
    for index in (0, 1) if twin else (0,):
        toy.head(1, index, q=toy.read("token"), k=toy.read("previous"), v=toy.read("token"), out=toy.write("copied"))
    if not twin:
        toy.head(1, 1, v=toy.read("own"), out=toy.write("seen"))
    toy.unembed(toy.read("copied"))
    return toy


def ports(words: Sequence[str] = ("red", "blue", "green"), context: int = 5) -> Draft:
    """Induction with a head for each port of 1.0: 0.0 gives the current token to its queries, 0.1 the token before to its keys, 0.2
    the current token to its values. Every logit is the attention that its token gets from 1.0.
    """
    tokens = [BOS, *words]
    n = len(tokens)
    spaces = {"token": n, "position": context, "query": n, "previous": n, "own": n, "copied": n}
    toy = Draft(2, 3, max(n, context), context, tokens, spaces, bos=BOS)
    toy.embed(toy.read("token"), toy.read("position"))
    here = {"q": toy.read("position"), "k": toy.read("position"), "v": toy.read("token")}
    before = here | {"q": toy.read("position", np.eye(context, k=-1).T)}
    toy.head(0, 0, **here, out=toy.write("query"))
    toy.head(0, 1, **before, out=toy.write("previous"))
    toy.head(0, 2, **here, out=toy.write("own"))
    toy.head(1, 0, q=toy.read("query"), k=toy.read("previous"), v=toy.read("own"), out=toy.write("copied"))
    toy.unembed(toy.read("copied"))
    return toy


# ---------------------------------------------------------------- compiled programs, after Lindner et al. 2023 (arXiv 2301.05062)


def reverse(words: Sequence[str] = ("a", "b", "c"), longest: int = 4) -> Draft:
    """The program `reverse`: at position i the token of position n + 1 − i, the beginning-of-sequence token at 0.

    0.0 takes 1/(n + 1) from the beginning of the sequence, MLP 0 makes the length n of it, MLP 1 n − i, MLP 2 n − i − 1, and 3.0
    attends there. Instead of biases the MLPs read a direction `one` that the position embedding writes.
    """
    tokens = [BOS, *words]
    v, p = len(tokens), longest + 1
    spaces = {"token": v, "index": p, "one": 1, "inverse": 1, "length": p, "opposite": p, "target": p, "reversed": v}
    toy = Draft(4, 1, max(v, p), p, tokens, spaces, mlp_width=p * p, causal=False, bos=BOS)
    index = np.eye(p, k=-1)  # position p has index p − 1; the beginning of the sequence has none
    toy.embed(toy.read("token"), toy.read("index", index) + toy.read("one", np.ones((p, 1))))
    is_bos = np.eye(v)[[0]]
    toy.head(0, 0, v=toy.read("token", is_bos), out=toy.write("inverse"))

    steep = 1000.0
    up, down = [], []
    for n in range(1, p):  # 1/(n + 1) lies between the bounds of n: two steps, each the difference of two relu
        low, high = (1 / (n + 1) + 1 / (n + 2)) / 2, (1 / (n + 1) + 1 / n) / 2
        for bound, sign in ((low, 1), (high, -1)):
            rise = toy.read("inverse", [[steep]]) - toy.read("one", [[steep * bound]])
            up += [rise, rise - toy.read("one")]
            down += [sign * toy.write("length")[:, n], -sign * toy.write("length")[:, n]]
    toy.mlp(0, np.vstack(up), np.stack(down, 1))

    up, down = [], []
    for n in range(1, p):
        for i in range(n):
            up.append(toy.read("length")[[n]] + toy.read("index")[[i]] - toy.read("one"))
            down.append(toy.write("opposite")[:, n - i])
    toy.mlp(1, np.vstack(up), np.stack(down, 1))
    toy.mlp(2, toy.read("opposite")[1:], toy.write("target")[:, : p - 1])
    toy.head(3, 0, q=toy.read("target"), k=toy.read("index"), v=toy.read("token"), out=toy.write("reversed"))
    toy.unembed(toy.read("reversed"))
    return toy


def fraction(words: Sequence[str] = ("x", "y"), longest: int = 4) -> Draft:
    """The program fraction-of-previous-x: the logit of the first word is its share among the positions up to here.

    MLP 0 says where it stands, 1.0 attends to every position whose index is at most its own.
    """
    tokens = [BOS, *words]
    v, p = len(tokens), longest + 1
    toy = Draft(2, 1, p, p, tokens, {"token": v, "index": p, "is": 1, "share": 1}, mlp_width=1, causal=False, bos=BOS)
    toy.embed(toy.read("token"), toy.read("index", np.eye(p, k=-1)))
    toy.mlp(0, toy.read("token")[[1]], toy.write("is"))
    toy.head(1, 0, q=toy.read("index", np.tril(np.ones((p, p))).T), k=toy.read("index"), v=toy.read("is"), out=toy.write("share"))
    toy.unembed(np.outer(np.eye(v)[1], toy.read("share")))
    return toy


TOYS: Mapping[str, Callable[[], Draft]] = {"induction": induction, "ports": ports}


if __name__ == "__main__":
    TOYS[sys.argv[1]]().save(Path(sys.argv[2]))
