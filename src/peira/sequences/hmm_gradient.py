r"""Learning hidden Markov models by gradient: quasi-Newton steps on the log posterior, in coordinates without bounds.

The gradient of what is hidden is the expected gradient of what would be known (Fisher's identity),

.. math:: \nabla_\theta \log p(x) = E[\nabla_\theta \log p(x, z ; \theta) \mid x]

so the counts of one E step give it exactly, without differentiating through the recursions. Every part is moved from
where it began by numbers that are free: logarithms of probabilities (and back by a softmax), of rates and variances,
means in standard deviations, factors of covariances. For a row of probabilities, with counts c that hold the prior's,

.. math:: \partial / \partial u_v = c_v - p_v \sum_w c_w

which is 0 just where Baum-Welch stays. Far from it EM climbs faster; near it, where states overlap and EM creeps,
L-BFGS takes fewer passes (Salakhutdinov, Roweis & Ghahramani 2003).

Cost: an E step for each step, two where a step is taken back.

Reference: Salakhutdinov, Roweis & Ghahramani (2003), Optimization with EM and expectation-conjugate-gradient, ICML;
Cappe, Moulines & Ryden (2005), Inference in Hidden Markov Models, chapter 10 (Fisher's identity).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ..numerics.descent import lbfgs
from .baum_welch import Expected, Steps, expect
from .emissions import Emissions, Moves
from .state_chain import Chain


class Point(NamedTuple):
    """Parts of a model, log likelihoods (N,) of the sequences, and the log posterior."""

    chain: Chain
    emissions: Emissions
    logs: np.ndarray
    value: float


class LogPosterior:
    """Minus the log posterior and its gradient, by how far the parts are moved from where they begin."""

    def __init__(self, chain: Chain, emissions: Emissions, steps: Steps, priors: tuple[Any, Any], letters: str) -> None:
        self.chain, self.emissions, self.steps, self.priors, self.letters = chain, emissions, steps, priors, letters
        self.shapes = {name: slope.shape for name, slope in self._slopes(*self._expect(chain, emissions)).items()}
        self.size = sum(int(np.prod(shape)) for shape in self.shapes.values())
        self._latest: tuple[Any, Any] = None, None

    def __call__(self, u: torch.Tensor) -> tuple[float, torch.Tensor]:
        try:
            with np.errstate(all="ignore"):  # a step that is too long is taken back
                point, found = self._expect(*self._parts(u))
                slopes = self._slopes(point, found)
        except np.linalg.LinAlgError:
            return np.inf, torch.zeros_like(u)
        if not np.isfinite(point.value):
            return np.inf, torch.zeros_like(u)
        self._latest = u, point
        flat = [slope.ravel() * (name in self.letters) for name, slope in slopes.items()]
        return -point.value, torch.from_numpy(-np.concatenate(flat))

    def at(self, u: torch.Tensor) -> Point:
        """The parts that have been moved by u."""
        return self._latest[1] if self._latest[0] is u else self._expect(*self._parts(u))[0]

    def _parts(self, u: torch.Tensor) -> tuple[Chain, Emissions]:
        by: Moves = {}
        for name, shape in self.shapes.items():
            begin = sum(part.size for part in by.values())
            by[name] = u[begin : begin + int(np.prod(shape))].numpy().reshape(shape)
        return self.chain.moved(by), self.emissions.moved(by)

    def _expect(self, chain: Chain, emissions: Emissions) -> tuple[Point, Expected]:
        found = expect(chain, emissions, self.steps)
        value = float(found.logs @ self.steps.w) + chain.log_prior(self.priors) + emissions.log_prior()
        return Point(chain, emissions, found.logs, value), found

    def _slopes(self, point: Point, found: Expected) -> Moves:
        chain = point.chain.slopes(found.first, found.between, self.priors)
        return chain | self.emissions.slopes(point.emissions, found.sums)


def ascend(chain: Chain, emissions: Emissions, steps: Steps, priors: tuple[Any, Any], letters: str) -> Iterator[Point]:
    """Parts of ever higher posterior, those that are given first; the last ones again where none is higher."""
    f = LogPosterior(chain, emissions, steps, priors, letters)
    share = emissions.K / max(float(steps.w @ steps.lengths), 1.0)  # one over the steps of a state: its curvature
    for found in lbfgs(f, torch.zeros(f.size, dtype=torch.float64), lambda q: share * q):
        yield (point := f.at(found.V))
    while True:
        yield point
