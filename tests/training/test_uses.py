"""What others build on the loop, as they would write it: critics, policies, teachers, queues, parts of nets, foreign
data; and each of them cut off and resumed to the same bits."""

import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import peira
from peira.core.errors import ParameterError
from peira.training import InMemory, Player, Stream, Training, checkpointing, minimise, train, updates_of


def drawn(seed: int, make):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def rows(seed: int, N: int, D: int = 3) -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(seed))


def flat(*nets: nn.Module) -> torch.Tensor:
    return torch.cat([t.detach().double().flatten() for net in nets for t in net.state_dict().values()])


def mlp(inputs: int = 3, outputs: int = 1, hidden: int = 16, seed: int = 0) -> nn.Sequential:
    return drawn(seed, lambda: nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs)))


# ---------------------------------------------------------------------- a critic, five updates to one of the generator


def wasserstein(updates: int = 300):
    """Gulrajani et al. (2017), algorithm 1: the critic's slope is held near one; the generator shifts noise."""
    maker, critic = drawn(1, lambda: nn.Linear(1, 1)), mlp(1, seed=2)
    data = InMemory(rows(0, 512, 1) + 2, size=64, seed=0)
    how = Training(optimiser="adam", learning_rate=0.08, momentum=0.0, updates=updates, schedule="cosine")
    players = {"critic": Player(critic, how, updates), "maker": Player(maker, how, updates // 5)}

    def step(batch, players):
        (real,), judge = batch, players["critic"]
        with torch.no_grad():
            made = players["maker"](torch.randn_like(real))
        between = torch.lerp(made, real, torch.rand(len(real), 1)).requires_grad_()
        (slope,) = torch.autograd.grad(judge(between).sum(), between, create_graph=True)
        told = {"critic": judge(made).mean() - judge(real).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()}
        judge.minimise(told["critic"])
        if judge.done % 5 == 0:
            told["maker"] = -judge(players["maker"](torch.randn_like(real))).mean()
            players["maker"].minimise(told["maker"])
        return told

    return lambda **more: train(step, players, data, how, **more), maker, critic, players


def test_a_critic_learns_five_times_as_often_as_its_generator():
    learn, maker, critic, players = wasserstein()
    heard, owner = [], type("Owner", (), {})()
    with peira.observing(lambda e: heard.append(e.values) if e.kind == "step" and e.path[-1] == "update" else None):
        learn(owner=owner)
    assert players["critic"].done == 300 and players["maker"].done == 60
    assert abs(maker.bias.item() - 2) < 0.5  # the noise was shifted to where the data are
    # The mean of what is told now and then is that over the updates that told it.
    first = [values["maker"] for values in heard[:8] if "maker" in values]
    assert len(first) == 1 and owner.history_["maker"][0] == pytest.approx(first[0])
    # The loss of the generator runs through the critic, and leaves nothing in its weights.
    assert all(w.grad is None for w in critic.parameters())


# ---------------------------------------------------------------------- a policy that learns from what it does


class Play:
    """Contexts in which one of two actions is right; the policy is told only about the one that it took."""

    def __init__(self, policy: nn.Module, N: int = 256, epochs: int = 4, size: int = 64, limit: float = 0.02):
        self.policy, self.N, self.epochs, self.size, self.limit = policy, N, epochs, size, limit
        self.moved, self.rewards, self.rollouts = 0.0, [], 0

    def __call__(self, epoch: int):
        self.moved, self.rollouts = 0.0, self.rollouts + 1
        with torch.no_grad():
            states = torch.randn(self.N, 2)
            chances = torch.distributions.Categorical(logits=self.policy(states))
            actions = chances.sample()
        reward = (actions == (states[:, 0] > 0)).float()
        self.rewards.append(reward.mean().item())
        batch = states, actions, chances.log_prob(actions), reward
        for _ in range(self.epochs):
            for part in torch.randperm(self.N).split(self.size):
                if self.moved > self.limit:
                    return
                yield tuple(t[part] for t in batch)


def proximal(rollouts: int = 12, limit: float = 0.02):
    """Schulman et al. (2017), eq. 7 and 9, with an actor, a critic, and a rollout that ends when the policy has moved
    too far."""
    actor, critic = mlp(2, 2, seed=1), mlp(2, 1, seed=2)
    play = Play(actor, limit=limit)
    stream = Stream(play, 16, seed=5, depends_on=[actor])
    how = Training(optimiser="adam", learning_rate=0.02, epochs=rollouts, schedule="linear", clip=0.5)
    U = updates_of(how, stream)
    players = {"actor": Player(actor, how, U), "critic": Player(critic, how, U)}

    def step(batch, players):
        states, actions, before, returns = batch
        values = players["critic"](states).squeeze(1)
        players["critic"].minimise(far := F.mse_loss(values, returns))
        advantage = returns - values.detach()
        now = torch.distributions.Categorical(logits=players["actor"](states))
        log_ratio = now.log_prob(actions) - before
        ratio = log_ratio.exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        spread = now.entropy().mean()
        players["actor"].minimise(-gain - 0.01 * spread)
        play.moved = (ratio - 1 - log_ratio).mean().item()
        return {"surrogate": -gain, "entropy": spread, "value": far, "kl": play.moved}

    return lambda **more: train(step, players, stream, how, **more), actor, critic, players, play


def test_a_policy_learns_from_what_it_does_and_stops_where_it_has_moved_too_far():
    learn, _, _, players, play = proximal()
    heard, owner = [], type("Owner", (), {})()
    with peira.observing(lambda e: heard.append(e.values) if e.path[-1] == "update" and "kl" in e.values else None):
        learn(owner=owner)
    assert play.rewards[-1] > 0.85 > 0.7 > play.rewards[0]
    assert play.rollouts == owner.n_iter_ == len(owner.history_["entropy"]) == 12
    assert 12 <= players["actor"].done < 12 * 16  # some rollouts ended early, none was empty
    assert players["actor"].done == len(heard)
    assert sum(values["kl"] == 0 for values in heard) >= 12  # each begins with the policy that played
    # The course of the rate counts what was left out as done, so that it ends with the last rollout.
    assert players["actor"].course.share(players["actor"].done) == pytest.approx(1.0)


def test_only_a_stream_that_says_so_may_end_early():
    for keeps in ([torch.ones(1)], [object()]):
        with pytest.raises(ParameterError, match="depends on what has state_dict"):
            Stream(lambda epoch: [], 1, depends_on=keeps)
    net = mlp()
    with pytest.raises(peira.core.errors.DataError, match="epoch 1 ended after 0 of 3 batches"):
        minimise(net, lambda x: net(x).mean(), Stream(lambda epoch: [], 3, depends_on=[net]), Training(epochs=1))
    with pytest.raises(ParameterError, match="one batch or more, got length=0; a DataLoader with drop_last"):
        Stream(lambda epoch: [], 0)


# ---------------------------------------------------------------------- parts of a net


def test_a_head_first_and_then_the_body_at_rates_of_their_own(seed):
    X, y = rows(seed, 64), rows(seed + 1, 64, 1)
    body = drawn(0, lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2)))
    net = nn.Sequential(body, drawn(1, lambda: nn.Linear(8, 1)))

    def loss(x, t):
        return F.mse_loss(net(x), t)

    before = flat(body)
    body.requires_grad_(False)
    minimise(net, loss, InMemory(X, y, size=16, seed=0), Training(epochs=2))
    assert torch.equal(flat(body), before)  # its means of batches too
    body.requires_grad_(True)
    loss(X, y).backward()  # somebody looked at the gradients, and left them there
    held = [w.detach().clone() for w in net.parameters()]
    net.train()
    with torch.random.fork_rng():
        torch.manual_seed(3)  # the dropout of the first update
        slopes = torch.autograd.grad(loss(X, y), list(net.parameters()))
    groups = [{"params": body.parameters(), "lr": 0.01}, {"params": net[1].parameters()}]
    how = Training(optimiser="sgd", learning_rate=0.1, updates=1)
    minimise(net, loss, InMemory(X, y, size=None, seed=0, shuffle=False), how, parameters=groups, seed=3)
    for w, was, slope, rate in zip(net.parameters(), held, slopes, [0.01] * 4 + [0.1] * 2, strict=True):
        torch.testing.assert_close(w.detach(), was - rate * slope)


def test_what_is_not_to_change_gets_no_gradient(seed):
    X, y, net = rows(seed, 32), rows(seed + 1, 32, 1), mlp()
    seen = []

    def loss(x, t):
        seen.append([w.grad is None for w in net.parameters()])
        return F.mse_loss(net(x), t)

    minimise(net, loss, InMemory(X, y, size=8, seed=0), Training(epochs=1), parameters=net[2].parameters())
    assert all(map(all, seen)) and all(w.grad is None for w in net.parameters())


def test_gradients_added_up_by_hand_are_those_of_the_whole_batch(seed):
    X, y = rows(seed, 32), rows(seed + 1, 32, 1)
    how = Training(optimiser="adam", epochs=3, clip=1.0)
    big, parts, other = mlp(), mlp(), mlp(1, seed=9)
    minimise(big, lambda x, t: F.mse_loss(big(x), t), InMemory(X, y, size=16, seed=0), how)

    def step(batch, players):
        total = 0.0
        for x, t in zip(*(t.split(4) for t in batch), strict=True):
            loss = F.mse_loss(players["net"](x), t) / 4
            players["net"].backward(loss)
            total += loss.detach()
            # Another one whose loss runs through the first, between its parts: it leaves no gradient there.
            players["other"].backward(players["other"](players["net"](x)).mean())
        players["net"].update(), players["other"].update()
        return {"loss": total}

    players = {"net": Player(parts, how, 6), "other": Player(other, how, 6)}
    train(step, players, InMemory(X, y, size=16, seed=0), how)
    torch.testing.assert_close(flat(parts), flat(big), rtol=1e-5, atol=1e-6)


def test_running_means_are_what_is_evaluated():
    w, asked, value, mean = nn.Linear(1, 1, bias=False), [], 1.0, 1.0
    nn.init.constant_(w.weight, 1.0)
    how = Training(optimiser="sgd", learning_rate=0.1, updates=5, average=0.8)
    minimise(w, lambda x: 0.5 * (w(x) ** 2).mean(), InMemory(torch.ones(1, 1), size=1, seed=0), how,
             evaluate=lambda: asked.append(w.weight.item()) or -len(asked))  # fmt: skip
    for told in asked:
        value *= 0.9
        mean = 0.8 * mean + 0.2 * value
        assert told == pytest.approx(mean)
    assert len(asked) == 5 and w.weight.item() == asked[-1]


# ---------------------------------------------------------------------- teachers, queues, other types


class Contrast(nn.Module):
    """He et al. (2020), algorithm 1: keys of a slow copy of the encoder, and a queue of those of earlier batches."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = mlp(6, 4, seed=3), mlp(6, 4, seed=3).requires_grad_(False)
        self.register_buffer("queue", F.normalize(rows(4, 32, 4), dim=1))
        self.register_buffer("at", torch.zeros((), dtype=torch.long))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = F.normalize(self.query(x + 0.1 * torch.randn_like(x)), dim=1)
        with torch.no_grad():
            for slow, fast in zip(self.key.parameters(), self.query.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
            k = F.normalize(self.key(x + 0.1 * torch.randn_like(x)), dim=1)
        alike = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().T], dim=1) / 0.2
        self.queue[self.at : self.at + len(k)] = k
        self.at.copy_((self.at + len(k)) % len(self.queue))
        return F.cross_entropy(alike, torch.zeros(len(x), dtype=torch.long))


def contrast():
    net = Contrast()
    how = Training(epochs=12, schedule="cosine", warmup=0.1, learning_rate=0.01)
    batches = InMemory(rows(0, 64, 6), size=16, seed=0)
    return lambda **more: minimise(net, lambda x: net(x.clone()), batches, how, **more), net


def test_contrast_with_a_queue():
    learn, net = contrast()
    queue, key, owner = net.queue.clone(), flat(net.key), type("Owner", (), {})()
    learn(owner=owner)
    assert owner.history_["loss"][-1] < owner.history_["loss"][0] - 0.3
    assert not torch.equal(net.queue, queue) and not torch.equal(flat(net.key), key)
    assert not any(w.requires_grad for w in net.key.parameters())


def test_a_student_learns_what_its_teacher_says(seed):
    X, teacher, student = rows(seed, 128), mlp(3, 3, seed=5).eval(), mlp(3, 3, hidden=24, seed=6)
    before = flat(teacher)

    def loss(x, T=2.0):  # Hinton et al. (2015), section 2
        with torch.no_grad():
            wanted = F.log_softmax(teacher(x) / T, dim=1)
        far = T**2 * F.kl_div(F.log_softmax(student(x) / T, dim=1), wanted, log_target=True, reduction="batchmean")
        return far, {"agreement": (student(x).argmax(1) == wanted.argmax(1)).float().mean()}

    owner = type("Owner", (), {})()
    minimise(student, loss, InMemory(X, size=32, seed=0), Training(epochs=40, learning_rate=0.02), owner=owner)
    assert owner.history_["agreement"][-1] > 0.9 and owner.history_["loss"][-1] < 0.05
    assert torch.equal(flat(teacher), before) and all(w.grad is None for w in teacher.parameters())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_in_half_the_bits(precision, seed):
    X, net, kinds = rows(seed, 64), mlp(), set()
    y = X.sum(1, keepdim=True)

    def loss(x, t):
        scores = net(x)
        kinds.add(scores.dtype)
        return F.mse_loss(scores.float(), t)

    owner = type("Owner", (), {})()
    how = Training(epochs=30, learning_rate=0.02, precision=precision, clip=1.0)
    minimise(net, loss, InMemory(X, y, size=16, seed=0), how, owner=owner)
    assert kinds == {getattr(torch, precision)} and {w.dtype for w in net.parameters()} == {torch.float32}
    assert owner.history_["loss"][-1] < 0.2 * owner.history_["loss"][0]


# ---------------------------------------------------------------------- cut off, and resumed to the same bits


class Noisy(Dataset):
    """Items with noise of torch's own generator, as an augmentation draws it."""

    def __init__(self) -> None:
        self.X = rows(0, 40)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, i: int):
        x = self.X[i] + 0.1 * torch.randn(3)
        return x, x.sum()[None]


def fitted(batches, **how):
    net = drawn(0, lambda: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)))
    training = Training(**{"learning_rate": 0.02, "epochs": 4, "schedule": "cosine", "warmup": 0.2} | how)

    def loss(x, t):
        return F.mse_loss(net(x).float(), t)

    return lambda **more: minimise(net, loss, batches, training, **more), net


def memory():
    X = rows(0, 40)
    return InMemory(X, X.sum(1, keepdim=True), size=8, seed=0)


def loader():
    loaded = DataLoader(Noisy(), batch_size=8, shuffle=True)
    return Stream(lambda epoch: loaded, len(loaded))


def carried():
    chance = torch.Generator().manual_seed(7)

    def begin(epoch):
        for _ in range(5):
            x = torch.randn(8, 3, generator=chance)
            yield x, x.sum(1, keepdim=True)

    return Stream(begin, 5, depends_on=[chance])


CUT = {
    "means of weights": lambda: fitted(memory(), average=0.9),
    "momentum": lambda: fitted(memory(), optimiser="nesterov", clip=1.0),
    "a scaler": lambda: fitted(memory(), precision="float16"),
    "bfloat16": lambda: fitted(memory(), precision="bfloat16", optimiser="rmsprop"),
    "a loader": lambda: fitted(loader()),
    "a generator": lambda: fitted(carried(), average=0.9),
    "two players": lambda: wasserstein(20)[:3],
    "a policy": lambda: proximal(5)[:3],
    "a queue": contrast,
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("stop", [3, 13])
def test_cut_off_and_resumed_it_ends_with_the_same_bits(tmp_path, name, stop):
    learn, *nets = CUT[name]()
    learn(seed=3)
    whole = flat(*nets)
    told = []

    def hear(event):
        if event.kind == "step" and event.path[-1] == "update" and event.values:
            told.append(event.values)
            if len(told) == stop:
                raise KeyboardInterrupt

    with checkpointing(tmp_path, every=0.0):
        with peira.observing(hear), contextlib.suppress(KeyboardInterrupt):
            CUT[name]()[0](seed=3)
        assert len(told) == stop
    learn, *nets = CUT[name]()
    with checkpointing(tmp_path, every=0.0):
        learn(seed=3)
    assert torch.equal(flat(*nets), whole)


def test_what_the_streams_of_several_processes_depend_on_has_no_place_in_one_file(tmp_path, monkeypatch):
    learn, _ = fitted(carried())
    monkeypatch.setattr("peira.training.checkpoint.share", lambda: (0, 2))
    with checkpointing(tmp_path), pytest.raises(ParameterError, match="the streams of the others depend on"):
        learn()


def test_a_loader_gives_its_items_once_an_epoch_and_again_the_same():
    loaded = DataLoader(TensorDataset(torch.arange(20)), batch_size=4, shuffle=True)
    stream = Stream(lambda epoch: loaded, len(loaded), seed=1)
    before = torch.get_rng_state()
    first, other = (torch.cat([b for (b,) in stream.epoch(e)]) for e in (0, 1))
    assert torch.equal(first.sort().values, torch.arange(20)) and not torch.equal(first, other)
    assert torch.equal(torch.cat([b for (b,) in stream.epoch(0, start=2)]), first[8:])
    assert not torch.equal(torch.cat([b for (b,) in Stream(lambda e: loaded, 5, seed=2).epoch(0)]), first)
    assert torch.equal(torch.get_rng_state(), before)
