"""Pooling against torch: values, indices, gradients, ties, receptive fields. In float64, over random shapes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.cnn import convolution, pooling
from course_lib.errors import CourseError

several = settings(deadline=None, derandomize=True, max_examples=60)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def cases(draw):
    """x and (kernel, stride, padding) of a pooling with at least one window."""
    kernel, stride = draw(st.tuples(*[st.integers(1, 4)] * 2)), draw(st.tuples(*[st.integers(1, 3)] * 2))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [k + draw(st.integers(0, 6)) for k in kernel]
    x = random(draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size, seed=draw(st.integers(0, 99)))
    if draw(st.booleans()):
        x = x.round()  # few different values: many ties
    return x, kernel, draw(st.sampled_from([stride, None])), padding


def gradient(function, x, grad_out):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x), x, grad_out)[0]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@several
@given(cases())
def test_max_pooling_equals_torch_ties_included(case):
    x, *options = case
    expected, where = F.max_pool2d(x, *options, return_indices=True)
    values, indices = pooling.max_pool2d(x, *options)
    assert torch.equal(values, expected)
    assert torch.equal(indices, where)
    grad_out = random(*expected.shape, seed=5)
    wanted = gradient(lambda x: F.max_pool2d(x, *options), x, grad_out)
    close(pooling.max_pool2d_backward(grad_out, indices, tuple(x.shape[2:])), wanted)
    close(gradient(pooling.MaxPool2d(*options), x, grad_out), wanted)


@several
@given(cases(), st.booleans())
def test_average_pooling_equals_torch(case, include):
    x, *options = case
    expected = F.avg_pool2d(x, *options, count_include_pad=include)
    close(pooling.avg_pool2d(x, *options, count_include_pad=include), expected)
    grad_out = random(*expected.shape, seed=5)
    wanted = gradient(lambda x: F.avg_pool2d(x, *options, count_include_pad=include), x, grad_out)
    close(pooling.avg_pool2d_backward(grad_out, tuple(x.shape[2:]), *options, include), wanted)
    close(gradient(lambda x: pooling.AvgPool2dFunction.apply(x, *options, include), x, grad_out), wanted)


def test_a_tie_goes_to_the_first_pixel_in_reading_order():
    x = torch.tensor([[[[1.0, 5, 5], [5, 5, 2]]]])
    values, indices = pooling.max_pool2d(x, 2, stride=1)
    assert values.tolist() == [[[[5, 5]]]]
    assert indices.tolist() == [[[[1, 1]]]]  # row 0, column 1, although 3 and 4 are as large
    grad = pooling.max_pool2d_backward(torch.ones(1, 1, 1, 2), indices, (2, 3))
    assert grad.tolist() == [[[[0, 2, 0], [0, 0, 0]]]]  # both windows chose it, and their gradients add up


def test_not_a_number_is_not_hidden_and_minus_infinity_stays_inside():
    x = random(1, 1, 4, 4)
    x[0, 0, 1, 1] = float("nan")
    assert torch.equal(pooling.max_pool2d(x, 2)[0].isnan(), F.max_pool2d(x, 2).isnan())
    x = torch.full((1, 1, 4, 5), float("-inf"))
    values, indices = pooling.max_pool2d(x, 3, 1, 1)
    assert torch.equal(indices, F.max_pool2d(x, 3, 1, 1, return_indices=True)[1])
    assert torch.isinf(values).all()


def test_gradcheck():
    x = torch.randperm(2 * 2 * 5 * 7, generator=torch.Generator().manual_seed(0)).double().view(2, 2, 5, 7)
    x.requires_grad_()  # all values differ by 1 or more, so that a small step never changes the winner
    assert torch.autograd.gradcheck(lambda x: pooling.MaxPool2dFunction.apply(x, (2, 3), (1, 2), (1, 1)), x)
    assert torch.autograd.gradcheck(lambda x: pooling.AvgPool2dFunction.apply(x, (2, 3), (1, 2), (1, 1), False), x)
    assert torch.autograd.gradcheck(lambda x: pooling.max_pool2d(x, 2)[0], x)
    assert torch.autograd.gradcheck(lambda x: pooling.avg_pool2d(x, 2), x)


@pytest.mark.parametrize("layout", ["channels_last", "crop", "transposed", "empty"])
def test_any_memory_layout(layout):
    x = random(2, 3, 8, 10)
    x = {"channels_last": x.to(memory_format=torch.channels_last), "crop": x[:, :, 1:, ::2], "transposed": x.mT,
         "empty": x[:0]}[layout]  # fmt: skip
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(pooling.max_pool2d(x, 2)[0], values)
    assert torch.equal(pooling.max_pool2d(x, 2)[1], indices)
    close(pooling.avg_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1))


def test_pooling_has_no_parameters_and_prints_what_it_is():
    """Claim 2: pooling shrinks what comes after it; it has no parameters itself."""
    for layer in (pooling.MaxPool2d(2), pooling.AvgPool2d((2, 3), 1)):
        assert list(layer.parameters()) == []
    assert repr(pooling.MaxPool2d(2)) == "MaxPool2d(kernel_size 2, stride None, padding 0)"
    close(pooling.AvgPool2d((2, 3), 1)(random(1, 2, 5, 6)), F.avg_pool2d(random(1, 2, 5, 6), (2, 3), 1))


def test_global_average_pool():
    x = random(2, 3, 5, 7)
    close(pooling.global_average_pool(x), F.adaptive_avg_pool2d(x, 1).flatten(1))


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2)), max_size=4))
def test_receptive_field_is_what_autograd_measures(layers):
    size, jump = pooling.receptive_field(layers)
    layers_2d = [convolution.Conv2d(1, 1, (1, k), (1, s), 0, (1, d), bias=False) for k, s, d in layers]
    for layer in layers_2d:
        torch.nn.init.ones_(layer.weight)  # positive weights: nothing cancels
    x = torch.ones(1, 1, 1, size + 3 * jump, requires_grad=True)
    out = x
    for layer in layers_2d:
        out = layer(out)
    first, second = (torch.autograd.grad(out[0, 0, 0, i], x, retain_graph=True)[0].flatten() for i in (0, 1))
    seen = first.nonzero().flatten()
    assert seen[0] == 0
    assert seen[-1] + 1 == size  # from the first to the last pixel that matters; dilation leaves gaps between
    assert second.nonzero()[0] == jump


def test_receptive_field_by_hand():
    assert pooling.receptive_field([]) == (1, 1)
    assert pooling.receptive_field([(3, 1), (3, 1)]) == (5, 1)  # two 3x3 see what one 5x5 sees
    assert pooling.receptive_field([(3, 1), (2, 2), (3, 1), (2, 2)]) == (10, 4)


x = torch.zeros(2, 3, 6, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pooling.max_pool2d(x[0], 2), r"x: got \[3, 6, 5\], expected 4 axes"),
        (lambda: pooling.avg_pool2d(x, 0), "kernel_size: got 0"),
        (lambda: pooling.avg_pool2d(x, 2, 0), "stride: got 0"),
        (lambda: pooling.max_pool2d(x, 7), "kernel reaches over 7 pixels, but the padded input has 6"),
        (lambda: pooling.max_pool2d(x, 3, 1, 2), r"padding: got \(2, 2\), expected at most half of kernel_size"),
        (lambda: pooling.max_pool2d(x.long(), 2), "x: got torch.int64, expected floating point"),
        (lambda: pooling.max_pool2d_backward(x, x[:1].long(), (6, 5)), "grad_out: got"),
        (lambda: pooling.global_average_pool(x[0]), "x: got"),
        (lambda: pooling.receptive_field([(3, 1), (3,)]), r"layers\[1\] is \(3,\), expected \(kernel, stride\) or"),
        (lambda: pooling.receptive_field([(3, 0)]), r"layers\[0\] is \(3, 0\)"),
    ],
)
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(CourseError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_gpu_equals_cpu():
    x = random(4, 3, 17, 13).round()
    for mine, there in zip(pooling.max_pool2d(x, 3, 2, 1), pooling.max_pool2d(x.cuda(), 3, 2, 1), strict=True):
        assert torch.equal(mine, there.cpu())
    close(pooling.avg_pool2d(x.cuda(), 3, 2, 1, False).cpu(), pooling.avg_pool2d(x, 3, 2, 1, False))
