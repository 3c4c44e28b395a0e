"""Float64 throughout: transformers computes norms, rotary angles and softmax in float32 whatever the model's type."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import torch
from torch import Tensor

_CASTS: tuple[tuple[Any, str], ...] = ((Tensor, "to"), (Tensor, "type"), (Tensor, "float"), (Tensor, "softmax"), (torch, "softmax"))
"""Methods and functions that may turn float64 into float32. `torch.nn.functional.softmax` calls the method."""


class exact:
    """While this context lasts, float64 tensors stay float64 where transformers would cast them to float32.

    Comparisons in float64 run both sides in it: RMS norms (`.to(float32)`, `.float()`), rotary tables and `softmax(dtype=float32)`
    then keep their precision. Tensors of other types are left alone, so float32 models are unchanged by it. It holds for all threads,
    and until the last of contexts that overlap is left. (A mode of torch would be asked at each operation, not at casts alone.)
    """

    _lock = Lock()
    _entered = 0
    _own: tuple[Any, ...] = ()

    def __enter__(self) -> None:
        with exact._lock:
            if not exact._entered:
                exact._own = tuple(vars(owner).get(name) for owner, name in _CASTS)
                for owner, name in _CASTS:
                    setattr(owner, name, _kept_in_float64(getattr(owner, name)))
            exact._entered += 1

    def __exit__(self, *_: object) -> None:
        with exact._lock:
            exact._entered -= 1
            if not exact._entered:
                for (owner, name), own in zip(_CASTS, exact._own, strict=True):
                    if own is None:  # inherited
                        delattr(owner, name)
                    else:
                        setattr(owner, name, own)


def _kept_in_float64(cast: Callable[..., Any]) -> Callable[..., Any]:
    """The cast, to float64 where it would make float32 of float64."""
    if cast is Tensor.float:
        return lambda tensor, **options: tensor if tensor.dtype is torch.float64 else cast(tensor, **options)

    def kept(tensor: Tensor, *args: Any, **options: Any) -> Any:
        if tensor.dtype is torch.float64:
            args = tuple(torch.float64 if value is torch.float32 else value for value in args)
            options = {name: torch.float64 if value is torch.float32 else value for name, value in options.items()}
        return cast(tensor, *args, **options)

    return kept
