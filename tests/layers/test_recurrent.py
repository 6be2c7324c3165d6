"""Recurrent layers: their equations by hand, gradients by central differences, state, padding, direction."""

import pytest
import torch
from torch import nn

from peira.core.errors import ParameterError
from peira.layers.recurrent import CELLS, SequenceDropout, recurrent
from peira.layers.recurrent_cells import JordanCell, LeakyCell

LENGTHS = torch.tensor([7, 2, 4, 0, 1])


def net_and_steps(kind, seed, **given):
    torch.manual_seed(seed)
    net = recurrent(kind, 3, 6, **given).double().eval()
    return net, torch.randn(5, 7, 3, dtype=torch.float64)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_a_sequence_in_a_batch_answers_as_it_does_alone(kind, layers, seed):
    net, x = net_and_steps(kind, seed, layers=layers)
    outputs, state = net(x, LENGTHS)
    only, nothing = net(x, LENGTHS, ends=False)
    torch.testing.assert_close(only, outputs)
    assert nothing == ()
    for i, n in enumerate(LENGTHS.tolist()):
        alone, end = net(x[i : i + 1, :n])
        torch.testing.assert_close(outputs[i, :n], alone[0])
        assert not outputs[i, n:].any()
        for part, lone in zip(state, end, strict=True):
            torch.testing.assert_close(part[i], lone[0])


@pytest.mark.parametrize("kind", CELLS)
def test_padding_changes_no_output_and_no_gradient(kind, seed):
    gradients = []
    for filled in (0.0, 1e3):
        net, x = net_and_steps(kind, seed, layers=2, bidirectional=True, normalise=True)
        for i, n in enumerate(LENGTHS.tolist()):
            x[i, n:] = filled
        outputs, _ = net(x, LENGTHS)
        outputs.square().sum().backward()
        gradients.append([outputs.detach(), *(p.grad for p in net.parameters())])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", CELLS)
def test_state_carried_over_segments_equals_the_full_unroll(kind, seed):
    net, x = net_and_steps(kind, seed, layers=2)
    whole, end = net(x)
    parts, state = [], None
    for piece in x.split((1, 3, 0, 3), 1):
        outputs, state = net(piece, None, state)
        parts.append(outputs)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    for a, b in zip(state, end, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_agree_with_central_differences(kind, seed):
    torch.manual_seed(seed)
    net, x = recurrent(kind, 2, 3, bidirectional=True).double(), torch.randn(2, 5, 2, dtype=torch.float64)
    names, parameters = zip(*net.named_parameters(), strict=True)
    if kind == "irnn":  # a rectifier at rest stands on its kink
        with torch.no_grad():
            for p in parameters:
                p.add_(0.3 * torch.rand_like(p))

    def loss(x, *values):
        outputs, _ = torch.func.functional_call(net, dict(zip(names, values, strict=True)), (x, torch.tensor([5, 2])))
        return outputs.square().sum()

    values = [p.detach().clone().requires_grad_() for p in parameters]
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), *values), eps=1e-6, atol=1e-6, fast_mode=True)


def test_torchs_layers_are_torchs(seed):
    net, x = net_and_steps("lstm", seed, layers=2, bidirectional=True)
    peer = nn.LSTM(3, 6, num_layers=2, bidirectional=True, batch_first=True).double()
    with torch.no_grad():
        for l in range(2):
            for way, suffix in enumerate(("", "_reverse")):
                for name, p in net.cells[l][way].layer.named_parameters():
                    getattr(peer, name.replace("l0", f"l{l}") + suffix).copy_(p)
    torch.testing.assert_close(net(x)[0], peer(x)[0])


def test_the_forget_gate_begins_open():
    layer = recurrent("lstm", 2, 4).cells[0][0].layer
    assert ((layer.bias_ih_l0 + layer.bias_hh_l0)[4:8] == 1).all()


def test_a_jordan_net_without_trace_is_an_elman_net_that_hears_its_output(seed):
    torch.manual_seed(seed)
    cell = JordanCell(3, 5, outputs=2, trace=0.0).double()
    with torch.no_grad():
        cell.outputs.bias.zero_()
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    outputs, _ = cell(x, None, None)
    U = cell.memory @ cell.outputs.weight
    h = torch.zeros(4, 5, dtype=torch.float64)
    for t in range(6):
        h = torch.tanh(cell.inputs(x[:, t]) + h @ U.T)
        torch.testing.assert_close(outputs[:, t], cell.outputs(h))


def test_a_jordan_net_unrolled_by_hand(seed):
    torch.manual_seed(seed)
    cell = JordanCell(2, 3).double()
    x = torch.randn(1, 4, 2, dtype=torch.float64)
    outputs, _ = cell(x, None, None)
    said = []
    for t in range(4):
        trace = sum((0.5**k * said[t - 1 - k] for k in range(t)), torch.zeros(3, dtype=torch.float64))
        h = torch.tanh(cell.inputs.weight @ x[0, t] + cell.inputs.bias + cell.memory @ trace)
        said.append(cell.outputs.weight @ h + cell.outputs.bias)
    torch.testing.assert_close(outputs[0], torch.stack(said))


def test_a_leaky_unit_solves_its_differential_equation(seed):
    """tau dh/dt = drive - h, with a drive that stays over a step, solved in 10,000 small steps."""
    torch.manual_seed(seed)
    cell = LeakyCell(2, 3).double()
    x, h = torch.randn(1, 1, 2, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    after, _ = cell(x, None, (h,))
    drive, tau, n = torch.tanh(cell.inputs(x[:, 0]) + h @ cell.memory.T), cell.log_tau.exp(), 10_000
    midpoint = 1 - 1 / (n * tau) + 1 / (2 * (n * tau) ** 2)  # of second order
    torch.testing.assert_close(after[:, 0], drive + midpoint**n * (h - drive), rtol=1e-8, atol=1e-9)


def test_slow_units_of_a_multiple_timescale_net_hear_inputs_only_through_fast_ones(seed):
    net, x = net_and_steps("mtrnn", seed)
    y = x.clone()
    y[:, 0] += 1.0
    a, b = net(x)[0], net(y)[0]
    assert torch.equal(a[:, 0, 3:], b[:, 0, 3:])
    assert (a[:, 0, :3] != b[:, 0, :3]).any()
    assert (a[:, 1, 3:] != b[:, 1, 3:]).any()
    assert net.cells[0][0].tau.tolist() == pytest.approx([2, 2, 2, 32, 32, 32])


def test_clockwork_units_move_only_when_their_period_divides_the_time(seed):
    torch.manual_seed(seed)
    net = recurrent("clockwork", 3, 10).double()
    outputs, _ = net(torch.randn(2, 17, 3, dtype=torch.float64))
    cell = net.cells[0][0]
    assert cell.periods.tolist() == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]
    for t in range(1, 17):
        moved = (outputs[:, t] != outputs[:, t - 1]).all(0)
        assert torch.equal(moved, t % cell.periods == 0)
    fast, slow = cell.memory[:2] * cell.heard[:2], cell.memory[8:] * cell.heard[8:]
    assert fast.all()
    assert not slow[:, :8].any()


def test_a_temporal_convolution_is_causal_and_sees_as_far_as_it_says(seed):
    net, _ = net_and_steps("tcn", seed, layers=2, kernel_size=3)
    x = torch.zeros(1, 30, 3, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    net(x)[0][0, 20].sum().backward()
    seen = x.grad[0].abs().sum(1).nonzero()[:, 0]
    assert (int(seen[0]), int(seen[-1])) == (20 - 2 * 2 * (2**2 - 1), 20)


def test_dropout_keeps_one_mask_over_time(seed):
    torch.manual_seed(seed)
    layer = SequenceDropout(0.5)
    y = layer(torch.ones(4, 9, 50))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(layer.eval()(y), y)


def test_unknown_kinds_and_states_of_nets_in_both_directions_are_refused():
    with pytest.raises(ParameterError, match="gru"):
        recurrent("gruu", 2, 2)
    with pytest.raises(ParameterError, match="1 or more"):
        recurrent("gru", 0, 2)
    net = recurrent("gru", 2, 2, bidirectional=True)
    _, state = net(torch.zeros(1, 2, 2))
    with pytest.raises(ParameterError, match="bidirectional"):
        net(torch.zeros(1, 2, 2), None, state)
