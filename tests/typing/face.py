"""Code of a user as the type checker sees it (`make lint`): what is right passes, what is marked as wrong must fail."""

import numpy as np

import peira
from peira.core import Method
from peira.linear.lasso import Lasso


def the_face() -> None:
    methods: dict[str, type[Method]] = peira.methods("regression")
    assert methods
    run = peira.learn("example:diabetes", budget="20s", seed=0)
    assert run
    peira.methods(tusk="regression")  # type: ignore[call-arg]
    peira.learn("example:diabetes", seed="zero")  # type: ignore[arg-type]


def a_constructor_has_the_declared_parameters() -> None:
    method = Lasso(2.0, fit_intercept=False)
    strength: float = method.alpha
    Lasso(alpha="strong")  # type: ignore[arg-type]
    Lasso(fit_intercept=2.5)  # type: ignore[arg-type]
    method.fit(np.eye(2), np.ones(2)).predict(np.eye(2))
    assert strength
