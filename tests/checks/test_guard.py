"""What no answer may do, whatever the exercise: never end, borrow, change settings, replace a library's functions."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
import types

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F

from course_lib.checks import compare, guard
from course_lib.checks.core import Exercise
from course_lib.checks.formula import Formula, normal, with_graph
from course_lib.checks.guard import Forbidden
from course_lib.checks.spies import Spy, with_numbers
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer
from course_lib.cnn import convolution

FORBIDDEN = Forbidden(
    operations=("*convolution*", "*conv?d*"), functions=(convolution.conv2d,), packages=("scipy",), autograd=True
)


def cases(generator):
    for count in (3, 5):
        yield {"x": normal(generator, count), "scale": 2.0}


DOUBLE = Formula(
    lambda x, scale: scale * x,
    cases,
    wrong={
        "halved": (lambda x, scale: x / scale, "you divide by {scale}"),
        "stops": (lambda x, scale: x[7], "index 7"),
        "infinite": (lambda x, scale: x / 0, "a division by 0"),
    },
)


def check(answer, forbidden=FORBIDDEN):
    Exercise("99_test", "double", DOUBLE, forbidden)(answer)


def rejection(answer, forbidden=FORBIDDEN):
    with pytest.raises(WrongAnswer) as caught:
        check(answer, forbidden)
    assert "\n" not in str(caught.value)
    return caught.value


def by_conv(convolve):
    return lambda x, scale: convolve(x[None, None], torch.full((1, 1, 1), scale, dtype=x.dtype))[0, 0]


# --- ready-made functions ---------------------------------------------------------------------------------------------

ALIAS = F.conv1d
COPY = types.FunctionType(convolution.conv2d.__code__, convolution.conv2d.__globals__, "mine")
COPY.__defaults__, COPY.__kwdefaults__ = convolution.conv2d.__defaults__, convolution.conv2d.__kwdefaults__


def in_two_dimensions(convolve):
    return lambda x, scale: convolve(x[None, None, None], torch.full((1, 1, 1, 1), scale, dtype=x.dtype))[0, 0, 0]


def swallowing(x, scale):
    with contextlib.suppress(Exception):
        F.conv1d(x[None, None], torch.ones(1, 1, 1, dtype=x.dtype))
    return scale * x


BORROWERS = {
    "alias": by_conv(ALIAS),
    "torch.ops": by_conv(lambda x, w: torch.ops.aten.convolution(x, w, None, [1], [0], [1], False, [0], 1)),
    "torch._C": by_conv(torch._C._VariableFunctions.conv1d),
    "a module": by_conv(lambda x, w: torch.func.functional_call(CONV, {"weight": w}, (x,))),
    "inference mode": by_conv(lambda x, w: torch.inference_mode()(F.conv1d)(x, w)),
    "transposed": by_conv(F.conv_transpose1d),
    "the library's own": in_two_dimensions(lambda x, w: convolution.conv2d(x, w)),
    "a copy of its code": in_two_dimensions(lambda x, w: COPY(x, w)),
    "scipy": lambda x, scale: torch.from_numpy(scipy.signal.convolve(x.numpy(), np.array([scale]))),
    "caught and hidden": swallowing,
}
CONV = torch.nn.Conv1d(1, 1, 1, bias=False)


@pytest.mark.parametrize("name", BORROWERS)
def test_ready_made_functions_are_refused_under_any_name(name):
    assert rejection(BORROWERS[name]).name == "borrowed"


@pytest.mark.parametrize("name", ["alias", "torch.ops", "the library's own", "scipy"])
def test_they_pass_where_nothing_is_forbidden(name):
    check(BORROWERS[name], Forbidden())


def test_a_folder_of_a_library_may_be_refused_alone():
    assert rejection(BORROWERS["scipy"], Forbidden(packages=("scipy.signal",))).name == "borrowed"
    check(BORROWERS["scipy"], Forbidden(packages=("scipy.stats",)))


def by_backward(x, scale):
    leaf = x.clone().requires_grad_()
    (scale * leaf * x.detach()).sum().backward()
    return leaf.grad


def by_vjp(x, scale):
    return torch.func.vjp(lambda leaf: scale * leaf, x)[1](x)[0]


@pytest.mark.parametrize("answer", [by_backward, by_vjp])
def test_autograd_is_refused_where_it_is_forbidden(answer):
    assert rejection(answer).name == "borrowed"
    check(answer, Forbidden())


# --- time -------------------------------------------------------------------------------------------------------------


def forever(x, scale):
    while True:
        pass


def stubborn(x, scale):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


def asleep(x, scale):
    threading.Event().wait()


@pytest.mark.parametrize("answer", [forever, stubborn, asleep])
def test_an_answer_that_never_ends_is_stopped(answer, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    begun = time.monotonic()
    wrong = rejection(answer)
    assert wrong.name == "never ends"
    assert "was stopped" in str(wrong)
    assert time.monotonic() - begun < 5


def test_ten_seconds_are_allowed():
    assert guard.SECONDS == 10


# --- what an answer leaves behind -------------------------------------------------------------------------------------


def doing(act):
    def answer(x, scale):
        act()
        return scale * x

    return answer


@pytest.mark.parametrize(
    ("act", "read"),
    [
        (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
        (lambda: torch.set_default_device("meta"), torch.get_default_device),
        (lambda: torch.set_num_threads(torch.get_num_threads() + 1), torch.get_num_threads),
        (lambda: torch.use_deterministic_algorithms(True), torch.are_deterministic_algorithms_enabled),
        (lambda: os.chdir("/"), os.getcwd),
        (lambda: setattr(sys, "stdout", None), lambda: sys.stdout),
    ],
    ids=["default dtype", "default device", "threads", "deterministic", "folder", "stdout"],
)
def test_a_changed_setting_is_named_and_put_back(act, read):
    before = read()
    assert rejection(doing(act)).name == "changes a setting"
    assert read() == before


def test_gradients_switched_off_are_named_and_on_again():
    assert rejection(doing(lambda: torch.set_grad_enabled(False))).name == "gradients stay off"
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("seed", [torch.manual_seed, random.seed])
def test_an_answer_leaves_the_seed_alone(seed):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    assert rejection(doing(lambda: seed(1))).name == "sets the seed"
    assert torch.equal(torch.get_rng_state(), before)


def test_random_numbers_go_on_as_if_no_check_had_run():
    states = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002
    check(doing(lambda: (torch.rand(3), random.random(), np.random.seed(1))))  # noqa: NPY002
    assert states == [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002


def test_a_replaced_function_of_a_library_is_named_and_put_back():
    original = torch.equal
    wrong = rejection(doing(lambda: setattr(torch, "equal", lambda *_: True)))
    assert wrong.name == "patched"
    assert "torch.equal" in str(wrong)
    assert torch.equal is original
    check(lambda x, scale: scale * x)


def test_a_function_replaced_before_the_check_is_found_too():
    original = F.relu
    F.relu = abs
    try:
        assert rejection(lambda x, scale: scale * x).name == "patched"
        assert F.relu is original
    finally:
        F.relu = original


def test_the_kernels_own_input_is_no_replacement(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: "")  # what a notebook does before each cell
    check(lambda x, scale: scale * x)


def test_a_function_that_a_library_puts_over_anothers_is_none_of_the_learners(monkeypatch):
    monkeypatch.setattr(torch, "compile", F.softsign)  # written in a library, as Lightning's is
    check(lambda x, scale: scale * x)


def test_the_checks_themselves_are_watched():
    from course_lib.checks import formula

    original = formula.same
    formula.same = lambda *_: True
    try:
        assert rejection(lambda x, scale: x).name == "patched"
        assert formula.same is original
    finally:
        formula.same = original


class Fake(torch.Tensor):
    """Claims to be equal to everything."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


def test_a_result_that_decides_for_itself_what_it_equals_is_refused():
    assert rejection(lambda x, scale: x.as_subclass(Fake)).name == "type"

    class Chameleon(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

    assert rejection(lambda x, scale: Chameleon(3)).name == "type"


def test_an_input_changed_in_place_is_named_by_the_learners_own_word():
    def answer(mine, scale):
        return mine.mul_(scale)

    wrong = rejection(answer)
    assert wrong.name == "changes its input"
    assert "mine was changed" in str(wrong)


@pytest.mark.parametrize("change", [lambda x: x.mul_(2), lambda x: x[0].zero_()], ids=["itself", "a view"])
def test_an_input_with_gradients_changed_in_place_is_named_too(change):
    def answer(x, scale):
        change(x)
        return scale * x

    with pytest.raises(WrongAnswer) as caught:
        guard.Guarded(answer, Forbidden())(torch.ones(3, requires_grad=True), 2.0)
    assert caught.value.name == "changes its input"


@pytest.mark.parametrize("change", [list.pop, list.reverse, lambda given: given.append(given[0])])
def test_a_list_changed_in_place_is_named(change):
    def answer(layers):
        change(layers)
        return 1

    with pytest.raises(WrongAnswer, match="the list layers was changed") as caught:
        guard.Guarded(answer, Forbidden())([(3, 1), (2, 2)])
    assert caught.value.name == "changes its input"


def test_a_thread_is_refused():
    def answer(x, scale):
        threading.Thread(target=lambda: None).start()
        return scale * x

    assert rejection(answer).name == "starts a thread"


# --- errors -----------------------------------------------------------------------------------------------------------


def test_only_the_learners_own_line_is_the_stub():
    def stub(x, scale):
        raise NotImplementedError()

    def slip(x, scale):
        return (x > 0).mean()  # torch raises NotImplementedError for the mean of booleans

    with pytest.raises(NotSolvedYet):
        check(stub)
    with pytest.raises(NotImplementedError):
        slip(torch.ones(2), 1.0)
    assert rejection(slip).name == "stopped"


def test_an_error_that_cannot_be_printed_is_told_all_the_same():
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError

    def answer(x, scale):
        raise Unspeakable

    assert "Unspeakable" in str(rejection(answer))


def test_the_end_of_the_program_is_only_a_wrong_answer():
    def answer(x, scale):
        raise SystemExit

    assert rejection(answer).name == "stopped"


def test_a_result_that_nothing_can_be_compared_with_is_named():
    class Odd:
        def __eq__(self, other):
            raise RuntimeError("odd")

        __hash__ = None

    assert rejection(lambda x, scale: Odd()).name == "type"


# --- the engine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, scale: x / scale, "halved"),
        (lambda x, scale: x[7], "stops"),
        (lambda x, scale: x / 0, "infinite"),
        (lambda x, scale: (scale * x).float(), "dtype"),
        (lambda x, scale: (scale * x.float()).double(), "float32"),
        (lambda x, scale: (scale * x)[1:], "shape"),
        (lambda x, scale: None, "type"),
        (lambda x, scale: scale * x + 1, "wrong"),
    ],
)
def test_the_engine_names_what_it_can(answer, name):
    assert rejection(answer).name == name


def test_words_may_hold_the_values_of_the_case():
    assert "you divide by 2.0" in str(rejection(lambda x, scale: x / scale))


@pytest.mark.parametrize(("last", "name"), [(2, "three only"), (1, "stopped")])
def test_an_error_on_certain_cases_only_is_named_by_them(last, name):
    limited = Formula(
        lambda x, scale: x[2],
        cases,
        {},
        stops={"three only": (lambda case: len(case["x"]) > 3, "stops with {x.shape}")},
    )

    def answer(x, scale):
        if len(x) > last + 1:
            raise KeyError("four")
        return x[2]

    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "third", limited, Forbidden())(answer)
    assert caught.value.name == name
    assert "KeyError" in str(caught.value)


def test_an_answer_that_remembers_by_shape_is_found():
    seen = {}

    def by_shape(x, scale):
        return seen.setdefault(x.shape, scale * x)

    def counting(x, scale, calls=[]):  # noqa: B006 (that is the mistake)
        calls.append(1)
        return scale * x if len(calls) <= 2 else x

    assert rejection(by_shape).name == "remembers"
    assert rejection(counting).name == "remembers"


def square(x, scale):
    return scale * x.square(), scale * x


GRADIENTS = Formula(
    square,
    cases,
    wrong={
        "cut": (lambda x, scale: (scale * x * x.detach(), ...), "a constant"),
        "first part doubled": (lambda x, scale: (2 * scale * x.square(), ...), "twice"),
        "second part doubled": (lambda x, scale: (..., 2 * scale * x), "twice"),
        "first part zero": (lambda x, scale: (0 * x, ...), "other numbers, but the gradient of a cut graph"),
    },
    leaves=("x",),
)


REMEMBERED = {}


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, scale: REMEMBERED.setdefault(x.shape, square(x, scale)), "remembers"),
        (lambda x, scale: (scale * x * x.detach(), scale * x), "cut"),
        (lambda x, scale: (2 * scale * x.square(), 2 * scale * x), "first part doubled"),
        (lambda x, scale: (2 * scale * x.square(), 5 * x), "first part doubled"),
        (lambda x, scale: (scale * x.square(), 2 * scale * x), "second part doubled"),
        (lambda x, scale: tuple(part.detach() for part in square(x, scale)), "no gradient"),
        (lambda x, scale: (scale * x.square(), (scale * x).detach()), "wrong gradient"),
        (lambda x, scale: ((scale * x.square()).detach(), scale * x), "wrong gradient"),
        (lambda x, scale: scale * x, "type"),
    ],
)
def test_parts_and_gradients(answer, name):
    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "square", GRADIENTS, Forbidden())(answer)
    assert caught.value.name == name


def test_a_dtype_is_told_by_what_is_expected():
    places = Formula(lambda x, scale: x.argsort(), cases, wrong={})
    with pytest.raises(WrongAnswer, match=r"expected torch\.int64: it holds whole numbers"):
        Exercise("99_test", "places", places, Forbidden())(lambda x, scale: x.argsort().float())
    assert "the dtype of the input" in str(rejection(lambda x, scale: (scale * x).float()))


COUNT = Formula(lambda x, scale: len(x), cases, wrong={"one more": (lambda x, scale: len(x) + 1, "one too many")})


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, scale: len(x) + 1, "one more"),
        (lambda x, scale: float(len(x)), "type"),
        (lambda x, scale: torch.tensor(len(x)), "type"),
        (lambda x, scale: None, "type"),
        (lambda x, scale: 7, "wrong"),
    ],
)
def test_where_an_int_is_asked_nothing_else_will_do(answer, name):
    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "count", COUNT, Forbidden())(answer)
    assert caught.value.name == name


def test_an_int_of_numpy_is_an_int():
    Exercise("99_test", "count", COUNT, Forbidden())(lambda x, scale: np.int64(len(x)))


def test_a_float_where_gradients_count_has_lost_its_graph():
    scaled = Formula(lambda x, scale: scale * x.sum(), cases, {}, leaves=("x",), read=with_graph)
    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "scaled", scaled, Forbidden())(lambda x, scale: (scale * x.sum()).item())
    assert caught.value.name == "no gradient"


def test_only_what_is_read_is_compared():
    """A root has two signs, and both are right."""
    either = Formula(lambda x, scale: scale * x, cases, {}, read=lambda value: value.square())
    either(lambda x, scale: -scale * x)
    with pytest.raises(WrongAnswer):
        either(lambda x, scale: x)


SIGNED = Formula(
    lambda x, scale: x / scale,
    cases,
    wrong={"cubed": (lambda x, scale: x**3, "a cube"), "stops": (lambda x, scale: x[7], "index 7")},
    signs={
        "nearly": (lambda case, got, right: compare.same(got.value, right.value, 0.1), "add nothing to {scale}"),
        "no such place": (lambda case, got, right: "IndexError" in got.error, "too far"),
    },
)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda x, scale: x / (scale + 0.01), "nearly"),
        (lambda x, scale: x / (scale + 0.02), "nearly"),
        (lambda x, scale: x / (scale + 5), "wrong"),
        (lambda x, scale: x**3, "cubed"),
        (lambda x, scale: x[9], "no such place"),
        (lambda x, scale: x[7], "stops"),
    ],
)
def test_signs_name_what_no_program_explains(answer, name):
    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "divide", SIGNED, Forbidden())(answer)
    assert caught.value.name == name
    assert name != "nearly" or "add nothing to 2.0" in str(caught.value)


def test_a_spy_notes_the_mode_of_each_part():
    spy = Spy(torch.nn.Linear(2, 2), torch.nn.Dropout())
    spy.eval()
    spy.training = True
    spy(torch.zeros(1, 2, dtype=torch.float64))
    (call,) = spy.calls
    assert call.modes == (True, False, False, False)
    assert call.training


def networks(generator):
    for count in (3, 5):
        yield {"network": with_numbers(Spy(torch.nn.Linear(2, 1)), generator), "x": normal(generator, count, 2)}


def not_the_bias(network, x):
    return x @ network.layers[0].weight.T + network.layers[0].bias.detach()


def asked_first(answer):
    network = Spy(torch.nn.Linear(2, 1))
    answer(network, torch.zeros(1, 2).double())
    if not network.calls:
        raise WrongAnswer("never asked", "you never call the network")


NETWORK = Formula(
    lambda network, x: network(x),
    networks,
    wrong={"doubled": (lambda network, x: 2 * network(x), "twice")},
    leaves=("network",),
    first=(asked_first,),
)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (lambda network, x: 2 * network(x), "doubled"),
        (lambda network, x: 0 * network(x) + not_the_bias(network, x), "wrong gradient"),
        (lambda network, x: (network(x), not_the_bias(network, x))[1], "no gradient"),
        (lambda network, x: network(x).detach(), "no gradient"),
        (not_the_bias, "never asked"),
    ],
)
def test_a_network_may_be_an_input_and_a_leaf(answer, name):
    with pytest.raises(WrongAnswer) as caught:
        Exercise("99_test", "ask", NETWORK, Forbidden())(answer)
    assert caught.value.name == name
    assert name != "no gradient" or "the weights of network" in str(caught.value)


def test_a_spy_with_two_inputs_hands_them_to_its_layers_as_one():
    class Sum(torch.nn.Module):
        def forward(self, both):
            return both[0] + both[1]

    spy = Spy(Sum())
    assert spy(torch.ones(2), torch.ones(2)).tolist() == [2, 2]
    assert len(spy.calls[0].inputs) == 2


def test_a_wrong_part_is_called_by_its_place():
    with pytest.raises(WrongAnswer, match=r"your result\[1\] has the right shape"):
        Exercise("99_test", "square", GRADIENTS, Forbidden())(lambda x, scale: (scale * x.square(), 5 * x))
