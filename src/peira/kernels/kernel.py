r"""Kernels: similarity of two items as an inner product in some space of features.

.. math:: k(x, z) = \phi(x)^T \phi(z)

A kernel is a small immutable object. Kernels of kernels are kernels again (Bishop 2006, eqs 6.13 to 6.22):

.. math:: k_1 + k_2, \quad k_1 k_2, \quad c \, k, \quad k^n, \quad k(x_a, z_a)

written as ``k1 + k2``, ``k1 * k2``, ``2.0 * k``, ``k ** 3`` and ``k.on([0, 2])`` for some columns.

**Hyper-parameters.** A parameter with bounds beside it (``length_scale``, ``length_scale_bounds``) is one, unless the
bounds are "fixed". They are positive, and what is learned is their logarithms :math:`\theta`. A method that
maximises some f(K) by :math:`\theta` needs

.. math:: \partial f / \partial \theta_p = \sum_{ij} W_{ij} \, \partial K_{ij} / \partial \theta_p,
          \quad W_{ij} = \partial f / \partial K_{ij}

which `Kernel._pullback` gives without ever forming the N N P derivatives: sums and products hand W down to their
parts as back-propagation does, and a stationary kernel answers with one product of matrices.

**Items** are rows of a table, except for kernels of texts (`Spectrum`) or of things that a function compares
(`FunctionKernel`); their sums and products are called with lists of such things.

Reference: Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, chapter 4 and section 5.4.1.
"""

import numbers
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import torch

from ..core.errors import DataError, ParameterError
from ..core.inputs import column_names, open_matrix
from ..core.value import Value
from .gram import gram
from .items import open_items

Pullback = Callable[[torch.Tensor], torch.Tensor]
_LIKE = torch.zeros(0, dtype=torch.float64)
Bounds = tuple | list | np.ndarray | str


class Kernel(Value):
    """Base of all kernels. A subclass writes `_gram` and, where there is a shorter way, `_diagonal` and `_pullback`.

    Called with items, a kernel gives their Gram matrix.
    """

    def __call__(self, X: Any, Z: Any = None) -> Any:
        """The similarity of each item of X to each of Z, or of X to each other.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D); or a list of N items, for kernels of texts and other things
        Z : the same for M items, optional

        Returns
        -------
        array or tensor of shape (N, M), or (N, N) without ``Z``
            NumPy unless ``X`` is a tensor.

        Raises
        ------
        ValueError
            If the columns differ, a value is not finite, or an item is of another kind.
        """
        name, domain = type(self).__name__, self._domain()
        if domain in ("texts", "items"):
            things = open_items(X, owner=name, texts=domain == "texts")
            others = None if Z is None else open_items(Z, owner=name, texts=domain == "texts", name="Z")
            return self._gram(things, others).numpy()
        items = open_matrix(X, owner=name, names=column_names(X))
        if Z is None:
            return items.give(gram(self, items.X))
        others = open_matrix(Z, owner=name, names=column_names(Z), name="Z")
        if others.X.shape[1] != items.X.shape[1]:
            raise DataError(
                f"X has {items.X.shape[1]} columns and Z has {others.X.shape[1]}; {name} compares equal ones"
            )
        return items.give(self._gram(items.X, others.X.to(items.X.device)))

    def diag(self, X: Any) -> Any:
        """The similarity of each item to itself, of shape (N,): the diagonal of the Gram matrix."""
        name, domain = type(self).__name__, self._domain()
        if domain in ("texts", "items"):
            return self._diagonal(open_items(X, owner=name, texts=domain == "texts")).numpy()
        items = open_matrix(X, owner=name, names=column_names(X))
        return items.give(self._diagonal(items.X))

    def words(self, names: list[str] | None = None) -> str:
        """What the kernel says of functions or items, in plain words.

        Parameters
        ----------
        names : list of str, optional
            Names of the columns.

        Returns
        -------
        str

        Examples
        --------
        >>> from peira.kernels import RBF, WhiteKernel
        >>> (RBF(1.3).on([0]) + WhiteKernel(0.04)).words(["age", "month"])
        'a smooth function of age with length-scale 1.3, plus noise with standard deviation 0.2'
        """
        return self._words(None if names is None else list(names))

    def __str__(self) -> str:
        """Like its repr, hyper-parameters to three digits and without their bounds."""
        return repr(self._rounded())

    def _rounded(self) -> Self:
        changed: dict[str, Any] = {name: part._rounded() for name, part in self._parts()}
        for name in self._own_free():
            three = [float(f"{value:.3g}") for value in np.atleast_1d(self._tensor(name, _LIKE).detach().cpu())]
            changed[name] = np.array(three) if np.ndim(vars(self)[name]) else three[0]
            changed[f"{name}_bounds"] = self._parameters[f"{name}_bounds"].default
        return self._replace(**changed)

    # ------------------------------------------------------------------ for methods, on tensors

    @abstractmethod
    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        """Gram matrix (N, M), or the symmetric (N, N) without Z; differentiable in items and hyper-parameters."""

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        """Its diagonal (N,)."""
        return torch.stack([self._gram(x[None])[0, 0] for x in X]) if len(X) else X.new_zeros(0)

    def _add_to(self, K: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        """K plus the Gram matrix of X, in memory of its own."""
        return K + self._gram(X)

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        """Gram matrix of X, and the map from W = df/dK, symmetric, to df/dtheta (P,).

        By automatic differentiation here; the closed forms of subclasses are faster.
        """
        theta = self._log_values().to(X).requires_grad_()
        with torch.enable_grad():
            K = self.with_theta(theta)._gram(X)

        def back(W: torch.Tensor) -> torch.Tensor:
            if not len(theta) or not K.requires_grad:
                return torch.zeros_like(theta)
            (slope,) = torch.autograd.grad(K, theta, W, retain_graph=True, materialize_grads=True)
            return slope

        return K.detach(), back

    def _n_features(self, D: int) -> int | None:
        """How many features `_features` gives for D columns; None where it would take infinitely many."""
        return None

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        """phi(x) of each item, (N, M), where there are finitely many features."""
        raise NotImplementedError(f"{self!r} has infinitely many features")

    def _domain(self) -> str:
        """What it compares: rows of a "table", "texts", "items" of some other kind, or "any" of these."""
        found = {part._domain(): part for _, part in self._parts()} or {"table": self}
        kinds = sorted(found.keys() - {"any"})
        if len(kinds) > 1:
            raise ParameterError(
                f"{found[kinds[0]]!r} compares {kinds[0]} and {found[kinds[1]]!r} {kinds[1]}: no item is both"
            )
        return kinds[0] if kinds else "any"

    def _words(self, columns: list[str] | None) -> str:
        """`words` of the columns that this kernel sees, None if their names are not known."""
        return repr(self)

    # ------------------------------------------------------------------ hyper-parameters

    @property
    def theta(self) -> np.ndarray:
        """Natural logarithms of the free hyper-parameters, of shape (P,)."""
        return self._log_values().detach().cpu().numpy()

    @property
    def bounds(self) -> np.ndarray:
        """Bounds of ``theta``, of shape (P, 2)."""
        rows = [
            np.broadcast_to(np.log(np.asarray(vars(owner)[f"{name}_bounds"], dtype=float)), (size, 2))
            for owner, name, size in self._free()
        ]
        return np.concatenate(rows) if rows else np.empty((0, 2))

    def hyperparameter_names(self) -> list[str]:
        """A name for each entry of ``theta``, such as ``k1.length_scale[2]``."""
        names = []
        for owner, name, size in self._free():
            path = self._path_to(owner)
            names += [f"{path}{name}[{d}]" for d in range(size)] if np.ndim(vars(owner)[name]) else [f"{path}{name}"]
        return names

    def with_theta(self, theta: np.ndarray | torch.Tensor) -> Self:
        """The same kernel with other hyper-parameters.

        Parameters
        ----------
        theta : array or tensor of shape (P,)
            Logarithms. Those of a tensor that requires a gradient stay in its graph.

        Returns
        -------
        Kernel

        Raises
        ------
        ValueError
            If ``theta`` has another length.
        """
        new, left = self._with_log_values(theta)
        if len(left):
            raise ParameterError(f"{self!r} has {len(theta) - len(left)} hyper-parameters, got {len(theta)}")
        return new

    def _log_values(self) -> torch.Tensor:
        return torch.cat([_LIKE, *(owner._tensor(name, _LIKE).reshape(-1) for owner, name, _ in self._free())]).log()

    def _with_log_values(self, theta: np.ndarray | torch.Tensor) -> tuple[Self, np.ndarray | torch.Tensor]:
        """This kernel with the first entries of theta, and the entries that are left for others."""
        changed: dict[str, Any] = {}
        for name in self._own_free():
            value = vars(self)[name]
            size = int(np.size(value))
            if len(theta) < size:
                raise ParameterError(f"theta is too short for {self!r}")
            mine, theta = theta[:size], theta[size:]
            value = mine.exp() if isinstance(mine, torch.Tensor) else np.exp(mine)
            if not np.ndim(vars(self)[name]):
                value = value[0] if isinstance(mine, torch.Tensor) and mine.requires_grad else float(value[0])
            elif isinstance(value, torch.Tensor) and not mine.requires_grad:
                value = value.cpu().numpy()
            changed[name] = value
        for name, part in self._parts():
            changed[name], theta = part._with_log_values(theta)
        return self._replace(**changed), theta

    def _tensor(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """A hyper-parameter as a tensor of the kind of another one, in its graph if it has one."""
        value = vars(self)[name]
        value = value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float64)
        return value.to(dtype=like.dtype, device=like.device)

    def _own_free(self) -> list[str]:
        bounded = sorted(name for name in self._parameters if f"{name}_bounds" in self._parameters)
        return [name for name in bounded if not isinstance(vars(self)[f"{name}_bounds"], str)]

    def _free(self) -> Iterator[tuple["Kernel", str, int]]:
        """Owner, name and size of the free hyper-parameters, in the order of theta."""
        for name in self._own_free():
            yield self, name, int(np.size(vars(self)[name]))
        for _, part in self._parts():
            yield from part._free()

    def _parts(self) -> list[tuple[str, "Kernel"]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Kernel)]

    def _path_to(self, owner: "Kernel") -> str:
        for name, part in self._parts():
            if part is owner:
                return f"{name}."
            if deeper := part._path_to(owner):
                return f"{name}.{deeper}"
        return ""

    def _constructed(self) -> None:
        super()._constructed()
        self._domain()
        for name in (n for n in self._parameters if f"{n}_bounds" in self._parameters):
            _check_hyperparameter(type(self).__name__, name, vars(self)[name], vars(self)[f"{name}_bounds"])

    # ------------------------------------------------------------------ kernels of kernels

    def __add__(self, other: "Kernel | float") -> "Kernel":
        from .composition import Sum

        return Sum(self, _as_kernel(other))

    def __radd__(self, other: "Kernel | float") -> "Kernel":
        from .composition import Sum

        return Sum(_as_kernel(other), self)

    def __mul__(self, other: "Kernel | float") -> "Kernel":
        from .composition import Product

        return Product(self, _as_kernel(other))

    def __rmul__(self, other: "Kernel | float") -> "Kernel":
        from .composition import Product

        return Product(_as_kernel(other), self)

    def __pow__(self, exponent: float) -> "Kernel":
        from .composition import Exponentiation

        return Exponentiation(self, exponent)

    def on(self, columns: Any) -> "Kernel":
        """This kernel on some columns alone, given by position."""
        from .composition import OnColumns

        return OnColumns(self, columns)


def _as_kernel(value: Kernel | float) -> Kernel:
    from .constant import ConstantKernel

    if isinstance(value, Kernel):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return ConstantKernel(float(value))
    raise ParameterError(
        f"what is added to a kernel or multiplied with it must be a kernel of peira.kernels or a positive number, "
        f"got {value!r}"
    )


def _check_hyperparameter(owner: str, name: str, value: Any, bounds: Any) -> None:
    values = np.atleast_1d(np.asarray(value, dtype=float))
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise ParameterError(f"parameter {name!r} of {owner} must be positive and finite, got {value!r}")
    if isinstance(bounds, str):
        if bounds != "fixed":
            raise ParameterError(f"parameter '{name}_bounds' of {owner} must be (low, high) or 'fixed', got {bounds!r}")
        return
    pairs = np.atleast_2d(np.asarray(bounds, dtype=float))
    if pairs.shape not in ((1, 2), (len(values), 2)) or not ((pairs[:, 0] > 0) & (pairs[:, 0] <= pairs[:, 1])).all():
        raise ParameterError(
            f"parameter '{name}_bounds' of {owner} must be 0 < low <= high, one pair or {len(values)}, got {bounds!r}"
        )
