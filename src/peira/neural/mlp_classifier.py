r"""Multilayer perceptron for classification.

A net of dense layers gives a score for each class; the softmax, the canonical link, turns scores into probabilities,
and the loss is the cross-entropy (Bishop 2006, eqs 5.24 and 5.25),

.. math:: P(c \mid x) = \frac{e^{F_c(x)}}{\sum_k e^{F_k(x)}}, \quad F = W_L h_{L-1} + b_L, \quad
          h_l = f(W_l h_{l-1} + b_l)

.. math:: E = -\frac{1}{N} \sum_n w_n \log P(c_n \mid x_n) + \frac{\alpha}{2 N} \sum_l |W_l|^2

Two classes need one score, the log odds, and the logistic function (eqs 5.19 to 5.21). Labels of which an item may have
several, or none, have one such score each, and their losses add up (eqs 5.22 and 5.23),

.. math:: E = -\frac{1}{N} \sum_n w_n \sum_k \left( y_{nk} \log P_k(x_n) + (1 - y_{nk}) \log (1 - P_k(x_n)) \right)
          + \frac{\alpha}{2 N} \sum_l |W_l|^2

With label smoothing each label is one less a small share, which goes to all classes evenly: scores then stay finite,
and probabilities humble.

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
from peira.core.errors import ParameterError, UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import LabelSetClassifier
from peira.core.params import linear, param

from .heads import Logistic, Softmax, class_head
from .multilayer_perceptron import MultilayerPerceptron


class MLPClassifier(MultilayerPerceptron, LabelSetClassifier):
    """Classification by a multilayer perceptron.

    It has the names of scikit-learn's class. Each item has one label, or any number out of K labels: y is then a
    matrix of 0s and 1s, and so are the answers, or a list of sets, and so is ``predict``.

    Attributes
    ----------
    net_ : Module
        The layers.
    classes_ : array of shape (C,)
        The labels, sorted; the names or numbers of the columns of a matrix of labels.
    n_outputs_ : int
        Scores that the net gives: C, or one for two classes; one for each of several labels.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.neural import MLPClassifier
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array(["no", "yes", "yes", "no"])
    >>> method = MLPClassifier(hidden_layer_sizes=(4,), activation="tanh", solver="lbfgs", random_state=1)
    >>> method.fit(X, y).predict(X)
    array(['no', 'yes', 'yes', 'no'], dtype='<U3')
    >>> method.fit(X, X).predict(X[1:2])  # two labels, each there or not
    array([[0, 1]])
    >>> method.fit(X, [set(), {"wet"}, {"cold"}, {"cold", "wet"}]).predict(X[1:2])
    [{'wet'}]
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="Rumelhart, Hinton & Williams (1986); Bishop (2006) 5.1-5.3, eqs 5.19-5.25",
        cost="6 B D H per update of B items, with H hidden units",
        incremental="approximate",
        largest={"N": 5_000, "CD": 500},
        sparse=True,
    )

    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    label_smoothing: float = param(
        0.0, "share of a label that is spread over all classes", low=0, below=1, tune=linear(0.0, 0.2)
    )

    @classmethod
    def example(cls) -> Self:
        return cls(
            hidden_layer_sizes=(3,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=300, random_state=0
        )  # fmt: skip

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array, series or tensor of shape (N,), matrix of 0s and 1s, dense or sparse, of shape (N, K), or N sets
            Labels of two classes or more, 1 for the labels that an item has, or a list of sets of them.
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
        X : array, frame, sparse matrix or tensor of shape (N, D)
            Inputs are standardised by the rows of the first call.
        y : array, series or tensor of shape (N,), matrix of 0s and 1s of shape (N, K), or list of N sets
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
        C = len(data.classes)
        if data.Y is not None:
            self.n_outputs_, Y = C, data.Y
        else:
            self._require_classes(data)
            self.n_outputs_, Y = (1, data.codes[:, None].double()) if C == 2 else (C, data.codes)
        self._check_onward(before, "n_features_in_", "target_shape_", "classes_")
        self._teach(data, Y, before=before, once=once)
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        F = self._outputs(queries)
        return F if self._several else self._head.scores(F)

    @property
    def _head(self) -> Softmax | Logistic:
        return class_head(2 if self._several else len(self.classes_), float(self.label_smoothing))

    def _score_of(self, F: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None = None) -> float:
        if self._several:
            right = (F > 0).eq(Y > 0).all(1).to(F.dtype)
        else:
            right = (self._head.scores(F).argmax(1) == Y.reshape(-1)).to(F.dtype)
        return float(right.mean() if w is None else (w * right).sum() / w.sum())

    def _check_parameters(self) -> None:
        if self.solver == "lm":
            raise ParameterError(
                "solver='lm' of MLPClassifier: Levenberg-Marquardt makes sums of squares small, and the loss here is a "
                "cross-entropy: take solver='lbfgs'"
            )
        super()._check_parameters()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        C, several = len(self.classes_), self._several
        if self.n_outputs_ != (1 if C == 2 and not several else C) or (several and self.target_shape_ != [C]):
            raise UnreadableError(f"MLPClassifier.n_outputs_ is {self.n_outputs_}, and it has learned {C} classes")
