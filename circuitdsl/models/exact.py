"""Float64 throughout: transformers computes norms, rotary angles and softmax in float32 whatever the model's type."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_CASTS = frozenset({Tensor.to, Tensor.type, Tensor.softmax, torch.softmax, torch.nn.functional.softmax})


class exact(TorchFunctionMode):
    """While this context lasts, float64 tensors stay float64 where transformers would cast them to float32.

    Comparisons in float64 run both sides in it: RMS norms (`.to(float32)`, `.float()`), rotary tables and `softmax(dtype=float32)`
    then keep their precision. Tensors of other types are left alone, so float32 models are unchanged by it.
    """

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if args and isinstance(args[0], Tensor) and args[0].dtype is torch.float64:
            if func is Tensor.float:
                return args[0]
            if func in _CASTS:
                args = tuple(torch.float64 if value is torch.float32 else value for value in args)
                kwargs = {key: torch.float64 if value is torch.float32 else value for key, value in kwargs.items()}
        return func(*args, **kwargs)
