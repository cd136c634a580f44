"""Convolution against torch and scipy: values, gradients, bad input, speed. In float64, over random shapes."""

import statistics
import time
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from course_lib.cnn import convolution as ours
from course_lib.cnn import filters
from course_lib.errors import CourseError

few = settings(deadline=None, derandomize=True, max_examples=25)
many = settings(deadline=None, derandomize=True, max_examples=80)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def cases(draw):
    """x, weight, bias and options of a convolution that has at least one output position."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, out_channels = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, dilation, padding = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 3))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = [n + draw(st.integers(0, 6)) for n in least]
    seed = draw(st.integers(0, 99))
    x = random(draw(st.integers(1, 3)), channels, *size, seed=seed)
    weight = random(out_channels, channels // groups, *kernel, seed=seed + 1)
    bias = random(out_channels, seed=seed + 2) if draw(st.booleans()) else None
    return x, weight, bias, (stride, padding, dilation, groups)


def gradients(function, grad_out, *tensors):
    """The gradients of sum(grad_out * function(...)) for the tensors that are not None."""
    leaves = [t if t is None else t.clone().requires_grad_() for t in tensors]
    return torch.autograd.grad(function(*leaves), [t for t in leaves if t is not None], grad_out)


def close(a, b, **kw):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, **kw)


@many
@given(cases(), st.sampled_from([1, 2**22]))
def test_conv2d_equals_torch_forward_and_backward(case, columns_at_once):
    with mock.patch.dict(ours.COLUMNS_AT_ONCE, cpu=columns_at_once):  # 1: every image is a piece of its own
        check_conv2d(*case)


def check_conv2d(x, weight, bias, options):
    before = x.clone()
    expected = F.conv2d(x, weight, bias, *options)
    close(ours.conv2d(x, weight, bias, *options), expected)

    grad_out = random(*expected.shape, seed=7)
    wanted = gradients(lambda *t: F.conv2d(*t, *options), grad_out, x, weight, bias)
    *by_hand, grad_bias = ours.conv2d_backward(grad_out, x, weight, *options)
    close(by_hand, list(wanted[:2]))
    if bias is not None:
        close(grad_bias, wanted[2])
    close(gradients(lambda *t: ours.Conv2dFunction.apply(*t, *options), grad_out, x, weight, bias), wanted)
    close(gradients(lambda *t: ours.conv2d(*t, *options), grad_out, x, weight, bias), wanted)
    assert torch.equal(x, before)


def test_a_1x1_kernel_leaves_its_input_alone():
    """Its columns are a view of x, whose memory must not serve the next piece."""
    with mock.patch.dict(ours.COLUMNS_AT_ONCE, cpu=1):
        for size in ((5, 4), (1, 1)):
            check_conv2d(random(4, 3, *size), random(2, 3, 1, 1, seed=1), None, (1, 0, 1, 1))


@few
@given(cases())
def test_loops_equal_torch(case):
    x, weight, bias, options = case
    close(ours.conv2d_loops(x[:1], weight, bias, *options), F.conv2d(x[:1], weight, bias, *options))


@few
@given(cases())
def test_unfold_equals_torch_and_fold_is_its_adjoint(case):
    x, weight, _, (stride, padding, dilation, _) = case
    kernel_size = tuple(weight.shape[2:])
    columns = ours.unfold(x, kernel_size, stride, padding, dilation)
    close(columns, F.unfold(x, kernel_size, dilation, padding, stride))
    others = random(*columns.shape, seed=5)
    folded = ours.fold(others, tuple(x.shape[2:]), kernel_size, stride, padding, dilation)
    close((columns * others).sum(), (x * folded).sum())  # <unfold x, y> = <x, fold y>
    close(folded, F.fold(others, tuple(x.shape[2:]), kernel_size, dilation, padding, stride))


@many
@given(st.data())
def test_transposed_convolution_equals_torch(data):
    groups = data.draw(st.integers(1, 3))
    channels, per_group = groups * data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
    kernel, stride, dilation, padding = (data.draw(p) for p in (pairs(1, 4), pairs(1, 3), pairs(1, 2), pairs(0, 2)))
    output_padding = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    size = [1 + 2 * p + data.draw(st.integers(0, 4)) for p in padding]  # large enough to crop padding from
    x, weight = random(2, channels, *size), random(channels, per_group, *kernel, seed=1)
    bias = random(groups * per_group, seed=2) if data.draw(st.booleans()) else None
    options = stride, padding, output_padding, groups, dilation
    expected = F.conv_transpose2d(x, weight, bias, *options)
    close(ours.conv_transpose2d(x, weight, bias, *options), expected)
    grad_out = random(*expected.shape, seed=3)
    close(
        gradients(lambda *t: ours.conv_transpose2d(*t, *options), grad_out, x, weight, bias),
        gradients(lambda *t: F.conv_transpose2d(*t, *options), grad_out, x, weight, bias),
    )


@few
@given(cases())
def test_transposed_convolution_is_the_input_gradient(case):
    x, weight, _, (stride, padding, dilation, groups) = case
    grad_out = random(*F.conv2d(x, weight, None, stride, padding, dilation, groups).shape, seed=3)
    grad_x = ours.conv2d_backward(grad_out, x, weight, stride, padding, dilation, groups)[0]
    plain = ours.conv_transpose2d(grad_out, weight, None, (1, 1), 0, 0, groups, dilation)
    if (stride, padding) == ((1, 1), (0, 0)):
        close(plain, grad_x)
    rest = [n - ((m - 1) * s - 2 * p + d * (k - 1) + 1) for n, m, s, p, d, k in
            zip(x.shape[2:], grad_out.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True)]  # fmt: skip
    close(ours.conv_transpose2d(grad_out, weight, None, stride, padding, tuple(rest), groups, dilation), grad_x)


@few
@given(pairs(4, 9), pairs(1, 4), st.integers(0, 99))
def test_claim_1_layers_compute_cross_correlation(size, kernel_size, seed):
    x, kernel = random(*size, seed=seed), random(*kernel_size, seed=seed + 1)
    correlated = torch.from_numpy(signal.correlate2d(x.numpy(), kernel.numpy(), mode="valid"))
    convolved = torch.from_numpy(signal.convolve2d(x.numpy(), kernel.numpy(), mode="valid"))
    image, weight = x[None, None], kernel[None, None]
    close(ours.conv2d(image, weight)[0, 0], correlated)
    close(ours.true_convolution(image, weight)[0, 0], convolved)
    full = signal.convolve2d(x.numpy(), kernel.numpy(), mode="full")
    padding = kernel_size[0] - 1, kernel_size[1] - 1
    close(ours.true_convolution(image, weight, padding=padding)[0, 0], torch.from_numpy(full))


def test_gradcheck_of_the_function_and_of_plain_autograd():
    x, weight, bias = random(2, 4, 6, 5), random(4, 2, 3, 2, seed=1), random(4, seed=2)
    for t in (x, weight, bias):
        t.requires_grad_()
    options = (2, 1), (1, 2), (1, 2), 2
    assert torch.autograd.gradcheck(lambda *t: ours.Conv2dFunction.apply(*t, *options), (x, weight, bias))
    assert torch.autograd.gradcheck(lambda *t: ours.conv2d(*t, *options), (x, weight, bias))
    assert torch.autograd.gradcheck(lambda *t: ours.conv_transpose2d(*t, None, (2, 1), 1, (1, 0)), (x, weight))


def test_batches_longer_than_one_piece(monkeypatch):
    x, weight = random(7, 3, 8, 9), random(4, 3, 3, 3, seed=1)
    whole, grads = ours.conv2d(x, weight), ours.conv2d_backward(random(7, 4, 6, 7, seed=2), x, weight)
    monkeypatch.setitem(ours.COLUMNS_AT_ONCE, "cpu", 3 * 3 * 8 * 9 * 3 * 3)  # three images at a time
    assert [s.stop for s in ours.pieces(7, 3 * 8 * 9 * 3 * 3, x.device)] == [3, 6, 9]
    close(ours.conv2d(x, weight), whole)
    close(ours.conv2d_backward(random(7, 4, 6, 7, seed=2), x, weight), grads)


@pytest.mark.parametrize("padding", [0, 1])
def test_any_memory_layout_and_an_empty_batch(padding):
    weight = random(5, 3, 3, 3, seed=1)
    base = random(2, 3, 12, 20)
    for x in (
        base.to(memory_format=torch.channels_last),
        base[:, :, 1:10, ::2],
        base.mT,
        base[:0],
        base[:1].expand(4, -1, -1, -1),
    ):
        expected = F.conv2d(x, weight, padding=padding)
        close(ours.conv2d(x, weight, padding=padding), expected)
        grad_out = random(*expected.shape, seed=2).to(memory_format=torch.channels_last)
        wanted = gradients(lambda *t: F.conv2d(*t, padding=padding), grad_out, x, weight)
        close(gradients(lambda *t: ours.Conv2dFunction.apply(*t, None, 1, padding), grad_out, x, weight), wanted)


def test_only_the_needed_gradients_are_computed():
    x, weight = random(2, 3, 5, 6), random(4, 3, 3, 3, seed=1)
    grad_out = random(2, 4, 3, 4, seed=2)
    all_three = ours.conv2d_backward(grad_out, x, weight)
    for i in range(3):
        some = ours.conv2d_backward(grad_out, x, weight, needs=tuple(k == i for k in range(3)))
        assert [g is None for g in some] == [k != i for k in range(3)]
        close(some[i], all_three[i])


def test_layer_trains_like_torch():
    mine = ours.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=1, groups=2).double()
    theirs = torch.nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=1, groups=2).double()
    theirs.load_state_dict(mine.state_dict())
    x, target = random(8, 2, 7, 6), random(8, 4, 4, 7, seed=1)
    for layer in (mine, theirs):
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            F.mse_loss(layer(x), target).backward()
            optimizer.step()
    close(mine.weight, theirs.weight)
    close(mine.bias, theirs.bias)
    assert repr(mine) == "Conv2d(weight [4, 1, 3, 2], stride (2, 1), padding 1, dilation 1, groups 2)"


def test_layer_starts_as_kaiming_from_its_own_generator():
    state = torch.get_rng_state()
    layer = ours.Conv2d(32, 64, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert layer.weight.var().item() == pytest.approx(2 / (32 * 9), rel=0.05)
    assert layer.bias.abs().max() == 0
    assert torch.equal(layer.weight, ours.Conv2d(32, 64, 3, generator=torch.Generator().manual_seed(0)).weight)
    assert ours.Conv2d(1, 1, 3, bias=False).bias is None


def test_layer_under_autocast():
    layer = ours.Conv2d(3, 4, 3, padding=1)
    x = random(2, 3, 8, 8, dtype=torch.float32).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    out.float().square().mean().backward()
    assert layer.weight.grad.dtype == x.grad.dtype == torch.float32
    torch.testing.assert_close(out.float(), F.conv2d(x, layer.weight, layer.bias, padding=1), rtol=0.05, atol=0.05)


def test_second_derivatives_are_refused_not_wrong():
    x, weight = random(1, 1, 4, 4).requires_grad_(), random(1, 1, 3, 3).requires_grad_()
    out = ours.Conv2dFunction.apply(x, weight).square().sum()
    (grad,) = torch.autograd.grad(out, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_output_size_counts_positions():
    for n, k, s, p, d in [(28, 3, 1, 1, 1), (28, 4, 2, 1, 1), (7, 3, 3, 0, 2), (5, 5, 1, 0, 1), (1, 1, 9, 0, 1)]:
        starts = [i for i in range(0, n + 2 * p, s) if i + d * (k - 1) < n + 2 * p]
        assert ours.output_size(n, k, s, p, d) == len(starts)


x, w, b = torch.zeros(2, 4, 6, 5), torch.zeros(6, 2, 3, 3), torch.zeros(6)


@pytest.mark.parametrize("function", [ours.conv2d, ours.conv2d_loops, ours.Conv2dFunction.apply])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((x, w, b, 1, 0, 1, 3), "groups: got 3, expected a divisor of 4 and 6 channels"),
        ((x, w, b, 1, 0, 1, 0), "groups: got 0, expected a divisor"),
        ((x, w, b), r"x has 4 channels, weight \[6, 2, 3, 3\], groups=1 expects 2"),
        ((x, w, b[:5], 1, 0, 1, 2), r"bias: got \[5\], expected \[6\]"),
        ((x, w, b, 0, 0, 1, 2), "stride: got 0, expected an int or a pair of ints, each at least 1"),
        ((x, w, b, (1, 2, 3), 0, 1, 2), r"stride: got \(1, 2, 3\)"),
        ((x, w, b, 1, -1, 1, 2), "padding: got -1, expected an int or a pair of ints, each at least 0"),
        ((x, w, b, 1, "same", 1, 2), "padding: got 'same'"),
        ((x, w, b, 1, 0, 0, 2), "dilation: got 0"),
        ((x, w, b, 1, 0, 3, 2), "kernel reaches over 7 pixels, but the padded input has 6"),
        ((x[0], w, b, 1, 0, 1, 2), r"x: got \[4, 6, 5\], expected 4 axes \[N, C, H, W\]"),
        ((x, w[0], b, 1, 0, 1, 2), r"weight: got \[2, 3, 3\], expected 4 axes"),
        ((x, w.double(), b, 1, 0, 1, 2), "x: got torch.float32 on cpu, but weight is torch.float64 on cpu"),
    ],
)
def test_bad_input_gets_one_clear_line(function, arguments, message):
    with pytest.raises(CourseError, match=message) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ours.conv2d_backward(x, x, w, groups=2), r"grad_out: got \[2, 4, 6, 5\], expected \[2, 6, 4, 3\]"),
        (lambda: ours.conv_transpose2d(x, w), "x has 4 channels"),
        (lambda: ours.conv_transpose2d(x, w[:4], None, 2, 0, 2), r"output_padding: got \(2, 2\), expected less than"),
        (lambda: ours.conv_transpose2d(x[:, :, :1], w[:4], None, 1, 2), "the output would have -1 x 3 pixels"),
        (lambda: ours.fold(torch.zeros(1, 10, 4), (4, 4), 3), r"columns: got \[1, 10, 4\], expected \[N, C \* 9, 4\]"),
        (lambda: ours.unfold(x[0], 3), "x: got"),
        (lambda: ours.output_size(5, 3, 0), "stride 0"),
        (lambda: ours.Conv2d(3, 4, 3, groups=2), "groups: got 2, expected a divisor of 3 and 4 channels"),
        (lambda: ours.Conv2d(3, 4, 0), "kernel_size: got 0"),
        (lambda: filters.apply_filter(x, "blurr"), "kernel: got 'blurr', expected one of: identity"),
        (lambda: filters.apply_filter(x, torch.ones(2, 3)), r"kernel: got \[2, 3\], expected \[kh, kw\] with odd"),
        (lambda: filters.apply_filter(x[0], "sharpen"), "images: got"),
        (lambda: filters.gaussian(4), "size: got 4, expected an odd number"),
        (lambda: filters.gaussian(3, 0.0), "sigma: got 0.0"),
    ],
)
def test_other_bad_input(call, message):
    with pytest.raises(CourseError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", filters.FILTERS)
def test_filters_equal_scipy_on_every_channel(name):
    images, kernel = random(2, 3, 9, 7), filters.FILTERS[name]
    out = filters.apply_filter(images, name)
    assert out.shape == images.shape
    kh, kw = kernel.shape
    for n in range(2):
        for c in range(3):
            padded = np.pad(images[n, c].numpy(), ((kh // 2,) * 2, (kw // 2,) * 2), mode="edge")
            close(out[n, c], torch.from_numpy(signal.correlate2d(padded, kernel.double().numpy(), mode="valid")))


def test_filters_do_what_their_names_say():
    flat = torch.full((1, 1, 6, 8), 0.3)
    for name, kernel in filters.FILTERS.items():
        total = 0.0 if name in ("sobel x", "sobel y", "laplacian", "outline") else 1.0
        assert kernel.sum().item() == pytest.approx(total, abs=1e-6)
        torch.testing.assert_close(filters.apply_filter(flat, name), total * flat)
    ramp = torch.arange(8.0).expand(1, 1, 6, 8)  # grows to the right by 1 a pixel
    assert (filters.apply_filter(ramp, "sobel x")[..., 1:-1] == 8).all()
    assert (filters.apply_filter(ramp, "sobel y") == 0).all()
    assert (filters.apply_filter(ramp.mT, "sobel y")[..., 1:-1, :] == 8).all()
    assert (filters.gradient_magnitude(ramp)[..., 1:-1] == 8).all()
    assert torch.equal(filters.apply_filter(ramp, "shift right")[..., 1:], ramp[..., :-1])
    expected = torch.exp(-torch.tensor([4.0, 1, 0, 1, 4]) / (2 * 1.5**2))
    torch.testing.assert_close(filters.gaussian(5, 1.5).sum(0), expected / expected.sum())


def median_times(*functions, repeats):
    """The median seconds of each function, measured in turns so that a busy machine disturbs all alike."""
    times = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken[1:]) for taken in times]


@pytest.fixture
def one_thread():
    """Threads that wait for each other measure how busy the machine is, not the code."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_speed_against_loops_and_torch():
    """Generous bounds that hold on a busy machine; benchmarks/convolution_speed.py measures the real figures."""
    x, weight = random(64, 32, 28, 28, dtype=torch.float32), random(32, 32, 3, 3, seed=1, dtype=torch.float32)
    slow, fast = median_times(
        lambda: ours.conv2d_loops(x[:1], weight, padding=1), lambda: ours.conv2d(x[:1], weight, padding=1), repeats=3
    )
    assert slow > 30 * fast
    mine, theirs = median_times(
        lambda: ours.conv2d(x, weight, padding=1), lambda: F.conv2d(x, weight, padding=1), repeats=15
    )
    assert mine < 4.5 * theirs


@pytest.mark.gpu
def test_gpu_equals_cpu():
    x, weight, bias = random(8, 4, 17, 13), random(6, 2, 3, 2, seed=1), random(6, seed=2)
    options = (2, 1), (1, 2), (1, 2), 2
    out = ours.conv2d(x, weight, bias, *options)
    close(ours.conv2d(x.cuda(), weight.cuda(), bias.cuda(), *options).cpu(), out)
    grads = ours.conv2d_backward(out, x, weight, *options)
    close([g.cpu() for g in ours.conv2d_backward(out.cuda(), x.cuda(), weight.cuda(), *options)], list(grads))
    with pytest.raises(CourseError, match="on cuda:0, but weight is"):
        ours.conv2d(x.cuda(), weight, groups=2)
