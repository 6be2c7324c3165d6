r"""Multilayer perceptron for classification.

A net of dense layers gives a score for each class; the softmax, the canonical link, turns scores into probabilities,
and the loss is the cross-entropy (Bishop 2006, eqs 5.24 and 5.25),

.. math:: P(c \mid x) = \frac{e^{F_c(x)}}{\sum_k e^{F_k(x)}}, \quad F = W_L h_{L-1} + b_L, \quad
          h_l = f(W_l h_{l-1} + b_l)

.. math:: E = -\frac{1}{N} \sum_n w_n \log P(c_n \mid x_n) + \frac{\alpha}{2 N} \sum_l |W_l|^2

Two classes need one score, the log odds, and the logistic function (eqs 5.19 to 5.21). With label smoothing each label
is one less a small share, which goes to all classes evenly: scores then stay finite, and probabilities humble.

`peira.neural.heads` has the formulas, `peira.neural.multilayer_perceptron` what is done to inputs and weights.

Cost: an update on B items takes :math:`6 B \sum_l D_{l-1} D_l` operations; memory holds the data in float32 and the
weights four times (Adam). Use it when there are thousands of rows and classes that no plane separates; for few rows a
support vector machine or logistic regression is better, for images a convolutional net.

Reference: Rumelhart, Hinton & Williams (1986); Bishop (2006), sections 5.1 to 5.3; Szegedy et al. (2016), section 7,
for label smoothing.
"""

from typing import Any, Literal, Self

import torch

from peira.core.card import Card
from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import ProbabilisticClassifier
from peira.core.params import linear, param

from .heads import Logistic, Softmax, class_head
from .multilayer_perceptron import MultilayerPerceptron


class MLPClassifier(MultilayerPerceptron, ProbabilisticClassifier):
    """Classification by a multilayer perceptron.

    It has the names of scikit-learn's class, but takes one label for each item, not several, and leaves out
    ``learning_rate="invscaling"``, for which there is ``Training(schedule="inverse square root")``.

    Attributes
    ----------
    net_ : Module
        The layers.
    classes_ : array of shape (C,)
        The labels, sorted.
    n_outputs_ : int
        Scores that the net gives: C, or one for two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural import MLPClassifier
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array(["no", "yes", "yes", "no"])
    >>> method = MLPClassifier(hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", random_state=1)
    >>> method.fit(X, y).predict(X)
    array(['no', 'yes', 'yes', 'no'], dtype='<U3')
    """

    card = Card(
        tasks="classification",
        reference="Rumelhart, Hinton & Williams (1986); Bishop (2006) 5.1-5.3, eqs 5.19-5.25",
        cost="6 B D H per update of B items, with H hidden units",
        incremental="approximate",
        largest={"N": 5_000, "CD": 500},
    )

    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    label_smoothing: float = param(
        0.0, "share of a label that is spread over all classes", low=0, below=1, tune=linear(0.0, 0.2)
    )

    @classmethod
    def example(cls) -> Self:
        return cls(
            hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=1000, random_state=0
        )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array, series or tensor of shape (N,)
            Labels of two classes or more.
        sample_weight : array of shape (N,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the data or a parameter will not do.
        """
        before = self._before()
        data = self._begin(X, y, sample_weight)
        return self._learn_labels(data, before)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more data: one pass over these rows, from the present weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            Inputs are standardised by the rows of the first call.
        y : array, series or tensor of shape (N,)
        classes : array of shape (C,), optional
            All labels there are; the first call needs it if its rows do not show them all.
        sample_weight : array of shape (N,), optional

        Returns
        -------
        self
        """
        data = self._continue(X, y, sample_weight, classes=classes)
        return self._learn_labels(data, dict(vars(self)), once=True)

    def _learn_labels(self, data: Data, before: dict[str, Any], *, once: bool = False) -> Self:
        self._require_classes(data)
        C = len(data.classes)
        self.n_outputs_ = 1 if C == 2 else C
        self._check_onward(before, "n_features_in_", "classes_")
        self._teach(data, data.codes[:, None].double() if C == 2 else data.codes, before=before, once=once)
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        return self._head.scores(self._run(self._net_inputs(queries.X)).double())

    @property
    def _head(self) -> Softmax | Logistic:
        return class_head(len(self.classes_), float(self.label_smoothing))

    def _score_of(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> float:
        right = (self._head.scores(F).argmax(1) == Y.reshape(-1)).to(F.dtype)
        return float(right.mean() if w is None else (w * right).sum() / w.sum())

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__() and self.n_outputs_ != (C if (C := len(self.classes_)) > 2 else 1):
            raise UnreadableError(f"MLPClassifier.n_outputs_ is {self.n_outputs_}, and it has learned {C} classes")
