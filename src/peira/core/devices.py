"""Where tensors live."""

import torch

from .errors import ParameterError


def resolve_device(device: str = "auto") -> torch.device:
    """The torch device that a name stands for.

    Parameters
    ----------
    device : str, default "auto"
        "auto" is the first accelerator that computes in float64, else the CPU; otherwise any
        name that torch knows, such as "cpu" or "cuda:1".

    Raises
    ------
    ParameterError
        If the machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        have = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ParameterError(f"no device {device!r} on this machine; there are: {', '.join(have)}") from error
    return resolved
