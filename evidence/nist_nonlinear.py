"""The models of NIST's twenty-seven nonlinear regression sets; data and certified values lie in evidence/data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .loading import data

FILE = "nist/strd_nonlinear.json"
SETS = (
    *("Misra1a", "Chwirut2", "Chwirut1", "Lanczos3", "Gauss1", "Gauss2", "DanWood", "Misra1b"),  # NIST's order: lower,
    *("Kirby2", "Hahn1", "Nelson", "MGH17", "Lanczos1", "Lanczos2", "Gauss3"),  # average,
    *("Misra1c", "Misra1d", "Roszman1", "ENSO"),
    *("MGH09", "Thurber", "BoxBOD", "Rat42", "MGH10", "Eckerle4", "Rat43", "Bennett5"),  # and higher difficulty
)
exp = torch.exp


def _ratio(x: Any, above: Any, below: Any) -> Any:
    """A quotient of polynomials; the one below begins with 1."""
    return sum(b * x**k for k, b in enumerate(above)) / (1 + sum(b * x**k for k, b in enumerate(below, start=1)))


def _bell(x: Any, height: Any, centre: Any, width: Any) -> Any:
    return height * exp(-(((x - centre) / width) ** 2))


def _wave(x: Any, period: Any, cosine: Any, sine: Any) -> Any:
    return cosine * torch.cos(2 * math.pi * x / period) + sine * torch.sin(2 * math.pi * x / period)


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    "Misra1a": lambda b, x: b[0] * (1 - exp(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1 - (1 + b[1] * x / 2) ** -2),
    "Misra1c": lambda b, x: b[0] * (1 - (1 + 2 * b[1] * x) ** -0.5),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1 + b[1] * x),
    "Chwirut": lambda b, x: exp(-b[0] * x) / (b[1] + b[2] * x),
    "Lanczos": lambda b, x: b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x),
    "Gauss": lambda b, x: b[0] * exp(-b[1] * x) + _bell(x, b[2], b[3], b[4]) + _bell(x, b[5], b[6], b[7]),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "Kirby2": lambda b, x: _ratio(x, b[:3], b[3:]),
    "Hahn1": lambda b, x: _ratio(x, b[:4], b[4:]),
    "Thurber": lambda b, x: _ratio(x, b[:4], b[4:]),
    "Nelson": lambda b, x: b[0] - b[1] * x[0] * exp(-b[2] * x[1]),
    "MGH17": lambda b, x: b[0] + b[1] * exp(-b[3] * x) + b[2] * exp(-b[4] * x),
    "Roszman1": lambda b, x: b[0] - b[1] * x - torch.atan(b[2] / (x - b[3])) / math.pi,
    "ENSO": lambda b, x: b[0] + _wave(x, 12, b[1], b[2]) + _wave(x, b[3], b[4], b[5]) + _wave(x, b[6], b[7], b[8]),
    "MGH09": lambda b, x: b[0] * (x**2 + b[1] * x) / (x**2 + b[2] * x + b[3]),
    "BoxBOD": lambda b, x: b[0] * (1 - exp(-b[1] * x)),
    "Rat42": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)),
    "MGH10": lambda b, x: b[0] * exp(b[1] / (x + b[2])),
    "Eckerle4": lambda b, x: b[0] / b[1] * exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Rat43": lambda b, x: b[0] / (1 + exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1 / b[2]),
}


def problem(name: str) -> tuple[dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]:
    """A set as published (two starts, certified values, data), and its residuals as a function of the parameters."""
    table = data(FILE)["sets"][name]
    x, y = torch.tensor(table["x"], dtype=torch.float64), torch.tensor(table["y"], dtype=torch.float64)
    model = MODELS.get(name) or MODELS[name[:-1]]
    if name == "Nelson":
        y = y.log()
    return table, lambda b: model(b, x) - y
