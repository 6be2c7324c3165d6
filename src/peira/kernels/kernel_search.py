r"""Which kernel? A search over sums and products of simple ones, judged by the marginal likelihood.

A function of several columns is guessed as a sum of products of base kernels, each on one column or on all,

.. math:: k = \sum_p c_p \prod_q b_{pq}(x_{d}) + \sigma^2 [i = j]

with b a smooth kernel (RBF), a rough one (Matern 3/2), a straight line, or a repetition. The search is greedy: from the
best kernel so far, at first noise alone, each base kernel is added to it, multiplied with one of its products, or put
in the place of a factor (the rough one only so, in the place of a smooth one), and each factor is left out.
Hyper-parameters are learned for each of these, starting from what the kernel before has learned; the best is the next,
as long as the Bayesian information criterion of its P hyper-parameters improves by more than 2 (less is "not worth more
than a bare mention", Kass & Raftery 1995),

.. math:: BIC = -2 \log p(y \mid X, \theta) + P \log N

The marginal likelihood already prices a flexible kernel by the data sets that it would explain as well; the criterion
prices the fitting of theta.

What is found is read off in words: "the target is a straight line in x0, plus a repetition in x1 with period 12".

Cost: some ten to fifty processes with a few dozen evaluations of n^3 each, n the ``rows`` that the search looks at,
and one with N^3. **When to use:** up to some hundred rows, when the shape of the function is itself of interest or when
structure (trend, season) must be extrapolated. **When not:** with many columns that act together, where one
length-scale for each column (`GaussianProcessRegressor`) is the better first kernel.

Reference: Duvenaud, Lloyd, Grosse, Tenenbaum & Ghahramani (2013), Structure discovery in nonparametric regression
through compositional kernel search, section 3; Schwarz (1978), Annals of Statistics 6, 461-464; Kass
& Raftery (1995), Bayes factors, JASA 90, 773-795.
"""

import functools
import math
import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from scipy.signal import lombscargle
from sklearn.exceptions import ConvergenceWarning

from ..core.card import Card
from ..core.inputs import Queries
from ..core.iteration import iterate
from ..core.kinds import Regressor
from ..core.params import param
from ..core.predictive import Normal
from .composition import OnColumns, Sum
from .constant import ConstantKernel, WhiteKernel
from .dot_product import DotProduct
from .gaussian_process_optimisation import BoundWarning
from .gaussian_process_regression import GaussianProcessRegressor
from .kernel import Kernel
from .matern import Matern
from .periodic import ExpSineSquared
from .stationary import RBF

FEW_COLUMNS = 4  # up to here each column gets base kernels of its own
PERIODS = 8  # fewest distinct values of a column in which a repetition is looked for
MARGIN = 2.0  # a smaller gain of the criterion is none
WIDE = 100.0  # length-scales may lie so many times below and above the spread of their column


class KernelSearchRegressor(Regressor):
    """Gaussian process whose kernel is searched among sums and products.

    Attributes
    ----------
    kernel_ : Kernel
        The kernel found, with its learned hyper-parameters, for a target that was brought to mean 0 and spread 1.
    process_ : GaussianProcessRegressor
        The process with this kernel.
    steps_ : list of dict
        The best kernel of each step: ``kernel``, the ``move`` that led to it ("add", "multiply", "replace"
        or "drop") and its ``base`` kernel, ``log_marginal_likelihood``, ``bic``, and how many kernels were ``tried``.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import KernelSearchRegressor
    >>> x = np.linspace(0, 10, 40)[:, None]
    >>> model = KernelSearchRegressor(max_depth=2, random_state=0).fit(x, 3.0 * x[:, 0])
    >>> bool(abs(model.predict([[12.0]])[0] - 36.0) < 0.1)
    True
    """

    card = Card(
        tasks="regression",
        reference="Duvenaud, Lloyd, Grosse, Tenenbaum & Ghahramani (2013), section 3",
        cost="50 n^3 steps of learning for n searched rows, then N^3",
        largest={"N": 500, "D": FEW_COLUMNS},
        chooses_for="GaussianProcessRegressor",
    )
    max_depth: int = param(
        3, "the most steps of the search; each adds, multiplies, replaces or drops a base kernel", low=1, high=20
    )
    rows: int = param(200, "how many rows the search looks at, drawn at random; the winner is learned from all", low=10)
    random_state: object = param(None, "seed of the rows that the search looks at")

    @classmethod
    def example(cls) -> Self:
        """One step on few rows."""
        return cls(max_depth=1, rows=80, random_state=0)

    def fit(self, X: Any, y: Any) -> Self:
        """Search the kernel on some rows, and learn its hyper-parameters from all.

        Parameters
        ----------
        X : array or frame of shape (N, D)
        y : array of shape (N,)
        """
        data = self._begin(X, y)
        looked_at = data.rng().permutation(len(data))[: self.rows]
        Z, t = data.X[looked_at], data.Y[looked_at, 0]
        spread = t.std(correction=0)
        t = (t - t.mean()) / (spread if spread > 0 else 1.0)
        bases = base_kernels(Z, t)
        best = self._learn(Guess(), Z, t)
        self.steps_ = []
        for step in iterate(self, self.max_depth, name="kernel search", expect={"bic": "decrease"}):
            neighbours = list(dict.fromkeys(best.neighbours(bases)))
            learned = [self._learn(guess, Z, t) for guess in neighbours]
            found = min(learned, key=lambda guess: guess.bic)
            if found.bic > best.bic - MARGIN:
                step.stop("no kernel next to the best one has a smaller criterion")
                break
            best = found
            self.steps_.append(
                {
                    "kernel": best.kernel,
                    "move": best.move,
                    "base": best.base,
                    "log_marginal_likelihood": best.log_marginal_likelihood,
                    "bic": best.bic,
                    "tried": len(neighbours),
                }
            )
            step.record(bic=best.bic)
        with warnings.catch_warnings():  # the bounds are not the caller's, who need not hear of them
            warnings.simplefilter("ignore", BoundWarning)
            self.process_ = self._process(best.kernel).fit(data.X, data.Y[:, 0])
        self.kernel_ = self.process_.kernel_
        return self

    def predict_dist(self, X: Any) -> Normal:
        """The distribution of a new target at each row: that of the process with the kernel found."""
        queries = self._queries(X)
        forecast = self.process_.predict_dist(queries.X)
        return Normal(forecast.mean, forecast.std, as_numpy=queries.as_numpy)

    def in_words(self, names: list[str] | None = None) -> list[str]:
        """What was found, in sentences; ``names`` are those of the columns."""
        names = list(names or getattr(self, "feature_names_in_", [f"x{d}" for d in range(self.n_features_in_)]))
        words = self.process_.in_words(names)
        for number, step in enumerate(self.steps_, 1):
            move = MOVES[step["move"]].format(kind_of(step["base"], names))
            words.append(
                f"Step {number} of the search {move}, the best of {step['tried']} kernels: "
                f"Bayesian information criterion {step['bic']:.1f}."
            )
        return words

    def _predict(self, queries: Queries) -> torch.Tensor:
        return self.process_._predict(queries)

    def _process(self, kernel: Kernel) -> GaussianProcessRegressor:
        return GaussianProcessRegressor(kernel=kernel, normalize_y=True, random_state=self.seed_)

    def _learn(self, guess: "Guess", X: torch.Tensor, t: torch.Tensor) -> "Guess":
        with warnings.catch_warnings():  # a base kernel that does not fit ends at its bounds; it will not be chosen
            warnings.simplefilter("ignore", BoundWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            process = self._process(guess.kernel).set_params(max_iter=40, tol=0.01).fit(X, t)
        return guess.with_learned(process.kernel_, float(process.log_marginal_likelihood_value_), len(X))


MOVES = {"add": "added {}", "multiply": "multiplied it with {}", "replace": "put in {}", "drop": "left out {}"}


@dataclass(frozen=True)
class Guess:
    """A sum of products and noise, and how well it explains the data."""

    products: tuple[tuple[Kernel, ...], ...] = ()  # the first factor of each is its variance
    noise: WhiteKernel = field(default_factory=lambda: WhiteKernel(0.1, (1e-8, 10.0)))
    log_marginal_likelihood: float = -math.inf
    bic: float = math.inf
    move: str = field(default="add", compare=False)
    base: Kernel | None = field(default=None, compare=False)

    @functools.cached_property
    def kernel(self) -> Kernel:
        products = [functools.reduce(operator.mul, factors) for factors in self.products]
        return functools.reduce(operator.add, [*products, self.noise])

    def neighbours(self, bases: list[Kernel]) -> Iterator["Guess"]:
        """Every kernel one step away: a base added, multiplied, or in the place of a factor."""
        variance = ConstantKernel(1.0 / (len(self.products) + 1), (1e-4, 1e4))
        for base in bases:
            yield Guess((*self.products, (variance, base)), self.noise, move="add", base=base)
        for p, factors in enumerate(self.products):

            def instead(move: str, base: Kernel, *factors: Kernel, p: int = p) -> Guess:
                products = (*self.products[:p], *([factors] if factors else []), *self.products[p + 1 :])
                return Guess(products, self.noise, move=move, base=base)

            for base in bases:
                yield instead("multiply", base, *factors, base)
            for f in range(1, len(factors)):
                before, own, after = factors[:f], factors[f], factors[f + 1 :]
                for other in [*bases, *rougher(own)]:
                    yield instead("replace", other, *before, other, *after)
                if len(factors) > 2:
                    yield instead("drop", own, *before, *after)
                elif len(self.products) > 1:
                    yield instead("drop", own)

    def with_learned(self, kernel: Kernel, log_marginal_likelihood: float, n: int) -> "Guess":
        """The same structure with the values that were learned."""
        products, noise = [], kernel
        if isinstance(kernel, Sum):
            total, noise = kernel.k1, kernel.k2
            for _ in self.products[1:]:
                total, last = total.k1, total.k2
                products.append(last)
            products.append(total)
        learned = tuple(_factors(p, len(f)) for p, f in zip(reversed(products), self.products, strict=True))
        bic = -2 * log_marginal_likelihood + len(kernel.theta) * math.log(n)
        return Guess(learned, noise, log_marginal_likelihood, bic, self.move, self.base)


def _factors(product: Kernel, count: int) -> tuple[Kernel, ...]:
    found = []
    for _ in range(count - 1):
        product, last = product.k1, product.k2
        found.append(last)
    return (product, *reversed(found))


def base_kernels(X: torch.Tensor, t: torch.Tensor) -> list[Kernel]:
    """The base kernels that suit the columns, in their units."""
    D = X.shape[1]
    spreads = torch.where(X.std(0, correction=0) > 0, X.std(0, correction=0), 1.0).numpy()
    lengths = X.square().mean(0).sqrt().numpy()
    lines = DotProduct(float(np.linalg.norm(lengths)) or 1.0, "fixed")
    if D > FEW_COLUMNS:
        return [RBF(spreads, np.stack([spreads / WIDE, spreads * WIDE], 1)), lines]
    bases: list[Kernel] = [lines] if D > 1 else []
    for d, spread in enumerate(spreads.tolist()):
        own: list[Kernel] = [
            RBF(spread, (spread / WIDE, spread * WIDE)),
            DotProduct(float(lengths[d]) or 1.0, "fixed"),  # any line: its height at 0 is as free as its slope
        ]
        x = X[:, d].numpy()
        if len(np.unique(x)) >= PERIODS:
            period = strongest_period(x, t.numpy())
            own.append(ExpSineSquared(1.0, period, (0.2, 10.0), (period / 1.25, period * 1.25)))
        bases += own if D == 1 else [kernel.on([d]) for kernel in own]
    return bases


def rougher(kernel: Kernel) -> list[Kernel]:
    """The rough kernel in the place of a smooth one, none for others."""
    if isinstance(kernel, OnColumns):
        return [OnColumns(rough, kernel.columns) for rough in rougher(kernel.kernel)]
    return [Matern(kernel.length_scale, kernel.length_scale_bounds)] if isinstance(kernel, RBF) else []


def strongest_period(x: np.ndarray, t: np.ndarray) -> float:
    """The period that explains most of t less its straight line: the peak of the Lomb-Scargle periodogram."""
    A = np.stack([np.ones_like(x), x - x.mean()], 1)
    rest = t - A @ np.linalg.lstsq(A, t, rcond=None)[0]
    span = np.ptp(x)
    frequencies = np.linspace(1.0 / span, 0.5 * len(np.unique(x)) / span, 10 * len(x))
    power = lombscargle(x, rest, 2 * np.pi * frequencies)
    return float(1.0 / frequencies[np.argmax(power)])


def kind_of(kernel: Kernel, names: list[str]) -> str:
    """A base kernel by its kind alone: its values are not learned yet."""
    if isinstance(kernel, OnColumns):
        return kind_of(kernel.kernel, [names[d] for d in kernel.columns])
    kinds = {RBF: "a smooth function", Matern: "a rough function", DotProduct: "a straight line"}
    return f"{kinds.get(type(kernel), 'a repetition')} of {', '.join(names)}"
