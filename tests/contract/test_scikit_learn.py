"""scikit-learn's own checks, and its tools around our methods."""

import warnings

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from peira.core.registry import registry
from tests.contract.discovery import answering, experience, for_methods, same, supervised, takes_negative


def _checks():
    for cls in (c for c in registry().values() if c.card.data == "table"):
        for estimator, check in estimator_checks_generator(cls.example(), legacy=True):
            name = getattr(check, "func", check).__name__
            if name == "check_array_api_input":  # tensors come in by our own door: see test_inputs_forms.py
                continue
            if name == "check_clustering" and not takes_negative(cls):  # its rows go below zero
                continue
            details = getattr(check, "keywords", {})
            suffix = "".join(f",{k}={v}" for k, v in details.items() if isinstance(v, str | bool | int))
            yield pytest.param(estimator, check, id=f"{cls.__name__}-{name}{suffix}")


@pytest.mark.parametrize(("estimator", "check"), list(_checks()))
def test_check_estimator(estimator, check):
    with warnings.catch_warnings():
        # scikit-learn's checks fit problems that are too small, too wide or cut after two steps on purpose.
        warnings.simplefilter("ignore")
        check(estimator)


@for_methods()
def test_works_inside_a_pipeline(cls, seed):
    data = experience(cls, seed)
    scaler = StandardScaler if takes_negative(cls) else MinMaxScaler
    pipeline = make_pipeline(scaler(), cls.example()).fit(*data.parts())
    alone = data.turned(lambda v: scaler().fit_transform(v) if v.ndim == 2 else v).teach(cls.example())
    verb = answering(cls).replace("log_prob", "score_samples")  # the name that a pipeline passes on
    got = getattr(pipeline, verb)(data.X)
    assert np.allclose(got, getattr(alone, verb)(scaler().fit_transform(data.X)), atol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # parts of the data may not be separable
@for_methods(supervised)
def test_grid_search_tries_values_and_refits_the_best(cls, seed):
    data = experience(cls, seed)
    tunable = {n: p for n, p in cls.parameters().items() if p.tune is not None}
    name, p = next(iter(tunable.items()), (None, None))
    grid = {} if name is None else {name: [p.tune.at(0.3), p.tune.at(0.6)]}
    search = GridSearchCV(cls.example(), grid, cv=3, error_score="raise").fit(*data.parts())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(data.X).shape == (len(data),)
    assert len(cross_val_score(cls.example(), *data.parts(), cv=3, error_score="raise")) == 3


@for_methods(lambda cls: "regression" in cls.card.tasks)
def test_transformed_targets(cls, seed):
    data = experience(cls, seed)
    shifted = TransformedTargetRegressor(
        cls.example(), transformer=FunctionTransformer(lambda y: y - 2.0, lambda z: z + 2.0, check_inverse=False)
    ).fit(*data.parts())
    direct = cls.example().fit(data.X, data.y - 2.0)
    assert same(shifted.predict(data.X), direct.predict(data.X) + 2.0)
