"""Base classes are where libraries gain weight: their public names are counted."""

import inspect

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin

from peira.core import (
    Classifier,
    Density,
    InductiveClusterer,
    Method,
    OutlierDetector,
    ProbabilisticClassifier,
    Regressor,
    Transformer,
)
from peira.core.params import Parametrised
from peira.core.registry import registry
from peira.sequences.state_model import StateModel
from peira.study.model import TableModel

ADDED = {
    Parametrised: {"parameters"},
    Method: {"example", "save"},
    Regressor: {"predict", "score"},
    Classifier: {"decision_function", "predict", "score"},
    Density: {"log_prob", "score", "score_samples"},
    InductiveClusterer: {"predict"},
    OutlierDetector: {"decision_function", "p_value", "predict", "score_samples"},
    StateModel: {
        *("aic", "bic", "decode", "evaluate", "forecast", "n_parameters", "path_log_prob", "plot"),
        *("plot_transitions", "predict", "predict_proba", "sample"),
    },
    ProbabilisticClassifier: {"predict_dist", "predict_log_proba", "predict_proba"},
    TableModel: {"answer", "designed", "expand", "fit", "get_names", "learn", "numbers", "prepare"},
    Transformer: {"get_feature_names_out", "transform"},
}


VERBS = {"fit", "predict_dist", "predict_log_proba", "predict_proba", "plot"}  # a family may answer these in its base


def public(cls: type) -> set[str]:
    """Public names, without scikit-learn's generated ``set_..._request``."""
    return {n for n in dir(cls) if not n.startswith("_") and not (n.startswith("set_") and n.endswith("_request"))}


def added(cls: type) -> set[str]:
    """The public names that a class has beyond its own bases and scikit-learn's."""
    known = set().union(*(public(base) for base in cls.__mro__[1:]))
    own = {n for n in public(cls) if not n.endswith("_")}  # what is learned is no verb
    return (own - known - {"card"}) | (own & set(vars(cls)) & ADDED.get(cls, set()))


@pytest.mark.parametrize("cls", ADDED, ids=lambda cls: cls.__name__)
def test_the_base_adds_these_public_names_and_no_others(cls):
    assert added(cls) == ADDED[cls]


def test_what_every_method_has_in_all():
    assert len(public(Method)) <= len(public(BaseEstimator)) + 3
    assert len(public(Regressor)) <= len(public(Method) | public(RegressorMixin)) + 1
    assert len(public(Classifier)) <= len(public(Method) | public(ClassifierMixin)) + 2
    assert len(public(ProbabilisticClassifier)) <= len(public(Classifier)) + 3
    assert len(public(Transformer)) <= len(public(Method) | public(TransformerMixin)) + 2


def abstract_bases() -> set[type]:
    return {base for cls in registry().values() for base in cls.__mro__ if issubclass(base, Method)} - {
        *registry().values(),
        *ADDED,
    }


def test_other_abstract_bases_stay_thin():
    """The base of a family (linear regressors, say) may name a few verbs more, and learns no third life."""
    fat = {base.__name__: added(base) for base in abstract_bases() if len(added(base) - VERBS) > 4}
    assert not fat


def test_every_class_is_abstract_or_final():
    """A method with a card has no subclass; a class without one cannot be discovered, so it is a base."""
    for cls in registry().values():
        assert not [sub for sub in cls.__subclasses__() if sub.__module__.startswith("peira.")], cls
        assert not inspect.isabstract(cls), f"{cls.__name__} lacks {cls.__abstractmethods__}"
