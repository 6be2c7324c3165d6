"""How a net learned, as the report shows it: what is told of a training, and what is drawn of it."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import peira
from peira.linear import Ridge
from peira.study.net_lessons import NetLessons
from peira.study.report import render
from peira.training import InMemory, Training, minimise


def lessons(training, *, evaluate=None, N=40, nets=1):
    """What was told of nets that learned from N items by fours, and the last one's owner."""
    heard, owner = NetLessons(), type("Owner", (), {})()
    X = torch.linspace(-1, 1, N)[:, None]
    with peira.observing(heard):
        for _ in range(nets):
            net = nn.Linear(1, 1)
            minimise(
                net, lambda x, net=net: ((net(x) - x) ** 2).mean(), InMemory(X, size=4, seed=0), training, owner=owner,
                evaluate=None if evaluate is None else lambda values=iter(evaluate): {"loss": next(values)},
            )  # fmt: skip
    return heard.told(), owner


def test_what_is_told_is_what_the_loop_kept():
    told, owner = lessons(Training(epochs=3, schedule="linear", learning_rate=0.1))
    assert told["made"] == 30 and told["epoch"] == 10 and told["updates"] == [*range(1, 31)]
    assert [np.mean(told["loss"][e : e + 10]) for e in (0, 10, 20)] == pytest.approx(owner.history_["loss"])
    assert told["rate"] == pytest.approx([0.1 * (1 - u / 30) for u in range(30)])
    assert told["aside"] == [] and told["best"] is None and told["stopped"] == "max_iter" == owner.stopped_


@pytest.mark.parametrize(("every", "places"), [(None, [10, 20, 25]), (7, [7, 14, 21, 25])])
def test_where_the_best_weights_were_taken(every, places):
    values = [3.0, 1.0, 2.0, 4.0][: len(places)]
    told, owner = lessons(Training(updates=25, evaluate_every=every), evaluate=values)
    assert told["aside"] == places and told["aside_loss"] == values == owner.history_["validation_loss"]
    assert told["best"] == places[1] and told["judged"] == "loss"
    assert told["rate"] == []  # a constant rate is no news


def test_a_long_training_is_told_in_stretches_and_of_several_the_last_one():
    told, owner = lessons(Training(updates=1000), nets=2)
    assert told["nets"] == 2 and told["made"] == 1000 and len(told["loss"]) == 80
    assert np.average(told["loss"], weights=[13] * 40 + [12] * 40) == pytest.approx(np.mean(owner.history_["loss"]))


def test_a_method_without_a_net_tells_nothing(seed):
    heard = NetLessons()
    with peira.observing(heard):
        Ridge().fit(np.random.default_rng(seed).normal(size=(9, 2)), np.arange(9.0))
    assert heard.told() == {}


def page(tmp_path, net):
    report = {"target": "y", "rows": 9, "learning": {"net": net, "history": {"loss": [2.0, 1.0, 0.5], "other": [1, 2]}}}
    return render(report, tmp_path / "report.html").read_text()


def test_the_report_draws_it_once_for_a_wide_page_and_once_for_a_phone(tmp_path):
    told, _ = lessons(Training(updates=25, schedule="cosine"), evaluate=[3.0, 1.0, 2.0])
    html = page(tmp_path, told)
    assert html.count(">weights kept</text>") == 2 and html.count(">learning rate</text>") == 2
    assert html.count(">put aside: 2</text>") == 2
    words = " ".join(re.sub("<[^>]+>", " ", html).split())
    assert (
        "25 updates of the weights: 2.5 passes over the data, of 10 updates each. It made all of its updates." in words
    )
    assert "Kept are the weights after update 20, best on what was put aside." in words
    assert "loss, step by step" not in words and "other, step by step" in words


@pytest.mark.parametrize(
    "spoiled",
    [
        {"made": None}, {"updates": "x"}, {"loss": [None] * 25}, {"rate": [1.0]}, {"aside": [1]}, {"epoch": "many"},
        {"best": "there"}, {"name": 7, "judged": None}, {"stopped": ["no"]},
    ],
)  # fmt: skip
def test_what_does_not_belong_there_breaks_no_page(tmp_path, spoiled):
    told, _ = lessons(Training(updates=25))
    assert "<h1" in page(tmp_path, told | spoiled)
