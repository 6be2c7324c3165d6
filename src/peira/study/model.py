r"""A method on a table: the design that turns columns into numbers, and the method that learns from them.

This is what a run fits in every fold, keeps as its winner and loads to predict. Everything that
is estimated from the rows (levels, medians, scales, knots, weights) is estimated in one ``fit``,
so that a fold's test rows never leak into its training.

.. math:: \hat y(x) = \bar y + s\, f\left(\phi(z(x))\right)

with z the design, phi the basis functions, f the method, and the target's mean and standard
deviation s: a penalty then means the same whatever the units, and in dollars or in thousands of
dollars the same model wins.

Cost: that of the method, for N rows and D' columns of numbers.
"""

from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..core import Card, Method, Transformer, UnreadableError, param
from ..core.errors import DataError
from ..core.inputs import Queries, column_names, is_frame, open_targets
from ..core.kinds import Regressor
from ..core.predictive import Affine
from ..core.registry import get_method
from ..core.tasks import TASKS
from ..experience.basis import NaturalSpline, PolynomialFeatures
from ..experience.design import DesignMatrix
from ..experience.table import Table

Expansion = Literal["none", "splines", "polynomial"]


class TableModel(Regressor):
    """Design, optional basis functions, and a method, fitted as one.

    Attributes
    ----------
    design_ : DesignMatrix
    basis_ : Transformer or None
        Basis functions of the numeric columns.
    column_means_, column_scales_ : array of shape (D',)
        With basis functions: what their values were standardised with.
    method_ : Method
        Learned from the standardised target.
    target_mean_, target_scale_ : float
        What the target was standardised with.
    residual_quantiles_ : array of shape (Q,)
        Quantiles, at even levels from 0 to 1, of residuals on rows that the model had not seen, in
        units of the predictive standard deviation where the method has one; set by `calibrate`.
    target_ : str
        Name of the column that it predicts; set by a run.

    Examples
    --------
    >>> from peira.study.model import TableModel
    >>> table = {"size": [1.0, 2.0, 3.0, None], "town": ["Ulm", "Bonn", "Ulm", "Bonn"]}
    >>> TableModel().fit(table, [1.0, 2.0, 3.0, 2.0]).predict(table)
    array([2., 2., 2., 2.])
    """

    card = Card(
        tasks="regression",
        reference="Hastie, Tibshirani & Friedman (2009) 5.1, 7.10.2; intervals: Lei et al. (2018)",
        cost="that of the method on N x D' numbers",
        missing=True,
    )
    method: Method | None = param(None, "what learns from the numbers; None is the task's baseline")
    expansion: Expansion = param("none", "basis functions of the numeric columns")
    kinds: dict | None = param(None, "kinds of columns by name, as the roles decided; None infers them")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn design, basis and method.

        Parameters
        ----------
        X : Table, frame, dict of columns or array of shape (N, D)
        y : array of shape (N,)
        """
        self._check_parameters()
        part = TableModel(**self.get_params(deep=False))
        return self._take(part.learn(part.prepare(X), y))

    def prepare(self, X: Any) -> np.ndarray:
        """Learn design and basis alone, and give the numbers that the method would see, of shape (N, D')."""
        self.design_ = DesignMatrix(kinds=self.kinds)
        Z = np.asarray(self.design_.fit_transform(_on_host(X)))
        if Z.shape[1] == 0:
            raise DataError(
                f"no column is left after constants, identifiers and free text were left out (n_samples={len(Z)})"
            )
        self.basis_ = _basis(self.expansion)
        self.n_features_in_ = self.design_.n_features_in_
        if self.basis_ is not None:
            numeric = self._numeric()
            if not numeric.any():
                self.basis_ = None
            else:
                Z = np.hstack([self.basis_.fit_transform(Z[:, numeric]), Z[:, ~numeric]])
                # A penalty compares coefficients: basis functions, too, are brought to one scale.
                self.column_means_, spread = Z.mean(0), Z.std(0)
                self.column_scales_ = np.where(spread > 1e-12 * np.abs(Z).max(0, initial=1e-300), spread, 1.0)
                return (Z - self.column_means_) / self.column_scales_
        return Z

    def numbers(self, X: Any) -> np.ndarray:
        """What the method sees of these rows, of shape (N, D')."""
        check_is_fitted(self)
        Z = np.asarray(self.design_.transform(self._known_columns(_on_host(X))))
        if self.basis_ is None:
            return Z
        numeric = self._numeric()
        Z = np.hstack([self.basis_.transform(Z[:, numeric]), Z[:, ~numeric]])
        return (Z - self.column_means_) / self.column_scales_

    def get_names(self) -> list[str]:
        """Names of the columns that the method sees."""
        names = self.design_.get_feature_names_out()
        if self.basis_ is None:
            return names.tolist()
        numeric = self._numeric()
        return [*self.basis_.get_feature_names_out(names[numeric]), *names[~numeric]]

    def learn(self, Z: np.ndarray, y: Any) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on one design."""
        method = self._learner()
        like = Queries(torch.from_numpy(Z), as_numpy=True, device=torch.device("cpu"))
        Y, _ = open_targets(y, len(Z), like, owner="TableModel", multi_output=False)
        t = Y[:, 0].numpy()
        with np.errstate(over="ignore"):
            self.target_mean_, self.target_scale_ = float(np.mean(t)), float(np.std(t)) or 1.0
        if not np.isfinite([self.target_mean_, self.target_scale_]).all():
            raise DataError(
                f"the targets reach {np.abs(t).max():.3g}: their squares overflow; give them in a larger unit"
            )
        standardised = (t - self.target_mean_) / self.target_scale_
        self.method_ = type(method)(**method.get_params(deep=False)).fit(Z, standardised)
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("BayesianLinearRegression")())

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict the target of each row; see `Regressor.predict`."""
        if return_std:
            answer = self.predict_dist(X)
            return answer.mean, answer.std
        return self.answer("predict", self._asked(X))

    @available_if(lambda self: hasattr(getattr(self, "method_", self._learner()), "predict_dist"))
    def predict_dist(self, X: Any) -> Any:
        """The method's own predictive distribution of each row's target."""
        return self.answer("predict_dist", self._asked(X))

    def answer(self, verb: str, Z: np.ndarray) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave, in the unit of the target."""
        said = getattr(self.method_, verb)(Z)
        if verb == "predict_dist":
            return Affine(said, self.target_mean_, self.target_scale_)
        return self.target_mean_ + self.target_scale_ * said

    def calibrate(self, observed: np.ndarray, predicted: np.ndarray, std: np.ndarray | None = None) -> None:
        """Set the width of `interval` by errors on rows that the fits had not seen.

        Parameters
        ----------
        observed, predicted : array of shape (N,)
            From the folds of a cross-validation.
        std : array of shape (N,), optional
            Predictive standard deviations, for methods that have them.
        """
        residuals = (observed - predicted) / (1.0 if std is None else np.maximum(std, np.finfo(float).tiny))
        self.residual_quantiles_ = np.quantile(residuals, np.linspace(0, 1, 1001))
        self.residuals_scaled_ = std is not None

    def interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        r"""Bounds that hold the stated share of new targets.

        .. math:: [\hat y + s\, q_{(1-c)/2},\; \hat y + s\, q_{(1+c)/2}]

        with the quantiles q of the residuals on unseen rows: right on average over rows like those
        of the table, whatever the noise looks like.

        Parameters
        ----------
        X : Table, frame, dict of columns or array of shape (N, D)
        level : float in (0, 1), default 0.9

        Returns
        -------
        low, high : array of shape (N,)
        """
        if not 0 < level < 1:
            raise DataError(f"the level of an interval must lie between 0 and 1, got {level}")
        grid = np.linspace(0, 1, len(self.residual_quantiles_))
        q = np.interp([(1 - level) / 2, (1 + level) / 2], grid, self.residual_quantiles_)
        if not self.residuals_scaled_:
            mean = self.predict(X)
            return mean + q[0], mean + q[1]
        mean, std = self.predict(X, return_std=True)
        return mean + std * q[0], mean + std * q[1]

    # ---------------------------------------------------------------- private

    def _take(self, part: "TableModel") -> Self:
        """Replace what was learned by what ``part`` learned; until then, a failed fit has changed nothing."""
        learned = {name: value for name, value in vars(part).items() if name.endswith("_")}
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        vars(self).update(learned)
        self.target_shape_ = part.method_.target_shape_
        if hasattr(part.design_, "feature_names_in_"):
            self.feature_names_in_ = part.design_.feature_names_in_
        return self

    def _learner(self) -> Method:
        return self.method if self.method is not None else get_method(TASKS["regression"].baseline)()

    def _asked(self, X: Any) -> Any:
        """What the method sees of these rows, as a tensor where they came as one."""
        Z = self.numbers(X)
        return torch.from_numpy(Z).to(X.device) if isinstance(X, torch.Tensor) else Z

    def _known_columns(self, X: Any) -> Any:
        """A frame with more columns than ``fit`` saw (the target among them, say) as a table, which is read by name."""
        known = getattr(self.design_, "feature_names_in_", None)
        wider = known is not None and is_frame(X) and set(known) < set(column_names(X))
        return Table.of(X) if wider else X

    def _numeric(self) -> np.ndarray:
        """Which columns of the design are numbers, for which basis functions make sense."""
        numbers = {plan["name"] for plan in self.design_.plans_ if plan["kind"] == "numeric"}
        return np.array([name in numbers for name in self.design_.get_feature_names_out()])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.regressor_tags.poor_score = self.method is None or self.method.card.baseline
        return tags

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        parts = {"design_": DesignMatrix, "method_": Method, "basis_": Transformer | None}
        for name, kind in parts.items():
            if not isinstance(getattr(self, name, 0), kind):
                raise UnreadableError(f"a stored TableModel needs {name} to be a {kind}")


def _on_host(X: Any) -> Any:
    return X.numpy(force=True) if isinstance(X, torch.Tensor) else X


def _basis(expansion: Expansion) -> Transformer | None:
    if expansion == "splines":
        return NaturalSpline(df=5)
    return PolynomialFeatures(degree=2, include_bias=False) if expansion == "polynomial" else None
