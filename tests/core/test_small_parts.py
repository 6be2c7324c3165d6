"""Cards, tasks, discovery, seeds, devices and the sentences of errors."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import peira
from peira.core import Card, DataError, Method, ParameterError, closest
from peira.core.axes import axes_for
from peira.core.devices import resolve_device
from peira.core.registry import get_method, key_of, methods, registry
from peira.core.seeds import derive, draw_seed, torch_generator
from peira.core.tasks import TASKS, get_task
from peira.core.text import printable


def test_a_card_is_frozen_and_names_its_tasks():
    card = Card(tasks="regression", reference="Gauss (1809)")
    assert card.tasks == ("regression",)
    assert Card(tasks=("density", "clustering"), reference="").tasks == ("density", "clustering")
    with pytest.raises(AttributeError):
        card.sparse = True
    with pytest.raises(ValueError, match="'incremental' is"):
        Card(tasks="regression", reference="", incremental="sometimes")


def test_every_task_is_complete_and_names_verbs_that_exist():
    from peira.core import kinds

    for name, task in TASKS.items():
        assert task.name == name and task.question.endswith("?") and task.verbs and task.measure and task.resampling
        assert task.baseline == "" or task.baseline in methods(), f"{name}: no method {task.baseline}"
        assert task.target in ("number", "label", "labels", "sequence", "none")
    assert kinds.Regressor


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="unknown task 'regresion'; did you mean 'regression'"):
        get_task("regresion")
    with pytest.raises(DataError, match="did you mean"):
        methods(task="densty")


def test_discovery_finds_the_package_s_own_final_classes_only():
    class Stranger(Method):
        card = Card(tasks="regression", reference="")

    assert Stranger not in registry().values() and key_of(Stranger) == ""
    for key, cls in registry().items():
        assert key == key_of(cls) and "card" in vars(cls) and cls.__module__ == f"peira.{key.rpartition('.')[0]}"
    assert list(methods()) == sorted(methods()) and "MeanRegressor" in methods(task="regression")
    assert get_method("MeanRegressor") is get_method("linear.baseline.MeanRegressor")
    with pytest.raises(KeyError, match="did you mean 'MeanRegressor'"):
        get_method("MeanRegresor")


def test_the_public_face_is_short_and_says_what_it_offers():
    assert set(dir(peira)) == {*peira.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'lern'; it offers compare"):
        peira.lern  # noqa: B018


@pytest.mark.parametrize("chapter", ["kernels", "latent", "linear", "neural", "sequences"])
def test_a_chapter_gives_all_its_methods_to_a_star(chapter):
    names: dict[str, object] = {}
    exec(f"from peira.{chapter} import *", names)
    found = {cls.__name__ for key, cls in registry().items() if key.startswith(f"{chapter}.")}
    assert found and found <= names.keys() and all(isinstance(names[name], type) for name in found)
    assert chapter != "kernels" or {"RBF", "is_valid_kernel"} <= names.keys()
    assert not {"offer", "registry"} & names.keys()


def test_closest():
    assert closest("Rigde", ["Lasso", "Ridge"]) == "did you mean 'Ridge'? There are: Lasso, Ridge"
    assert closest("x", []) == "there are none"
    assert closest("zzz", ["a", "b"]) == "there are: a, b"
    assert closest("a7", [f"a{i}" for i in range(40)]).endswith("and 10 more")
    assert closest(3, [1, 2]) == "there are: 1, 2"


# ---------------------------------------------------------------- seeds


def test_a_seed_is_turned_into_an_int_at_once():
    assert draw_seed(7) == 7 and type(draw_seed(np.int64(7))) is int
    assert draw_seed(np.random.RandomState(3)) == draw_seed(np.random.RandomState(3))
    assert draw_seed(np.random.default_rng(3)) == draw_seed(np.random.default_rng(3))
    assert draw_seed(torch.Generator().manual_seed(3)) == draw_seed(torch.Generator().manual_seed(3))
    state = np.random.RandomState(3)
    assert draw_seed(state) != draw_seed(state), "an instance moves on"
    assert 0 <= draw_seed(None) < 2**31 and len({draw_seed(None) for _ in range(8)}) > 1


@pytest.mark.parametrize("bad", [-1, 2**32, "0", 1.0, True, [1]])
def test_what_is_no_seed_is_refused(bad):
    with pytest.raises(ParameterError, match="random_state must"):
        draw_seed(bad)


def test_derived_seeds_depend_on_the_place_and_not_on_the_order():
    places = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2,)]
    seeds = {place: derive(5, *place) for place in places}
    assert seeds == {place: derive(5, *place) for place in reversed(places)}
    assert len(set(seeds.values())) == len(places) and seeds != {p: derive(6, *p) for p in places}
    assert all(type(s) is int and 0 <= s < 2**32 for s in seeds.values())


def test_generators_are_their_own():
    before = torch.get_rng_state()
    a, b = (torch.rand(3, generator=torch_generator(4)) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(before, torch.get_rng_state())


# ---------------------------------------------------------------- devices, text


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device().type in ("cpu", "cuda")
    for name in ("cuda:99", "no such device", "meta!"):
        with pytest.raises(ParameterError, match=r"no device .* there are: cpu"):
            resolve_device(name)


def test_a_picture_is_pyplots_only_where_pyplot_is_used(monkeypatch):
    figures = []
    pyplot = SimpleNamespace(figure=lambda **size: figures.append(Figure(**size)) or figures[-1])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    ax = axes_for(None, 3, 2)
    assert ax.figure is figures[0] and tuple(ax.figure.get_size_inches()) == (3, 2)
    assert axes_for(ax) is ax
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    assert axes_for(None).figure is not None and len(figures) == 1


def test_text_for_people_obeys_nothing():
    assert printable("a\x1b[2Jb\x00\r\n\t") == "a\\x1b[2Jb\\x00\\r\\n\\t"
    assert printable("\u202eabc") == "\\u202eabc"
    assert printable("naïve δ 中") == "naïve δ 中"
    assert printable("abcdef", 4) == "abc…" and printable("abcd", 4) == "abcd"
    assert printable("\ud800") == "\\ud800"
