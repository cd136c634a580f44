"""Networks that note how an answer treats them, and what an answer left behind in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.formula import normal
from course_lib.checks.verdict import WrongAnswer, told


@dataclass(frozen=True)
class Call:
    """How a spy was called: whether each of its modules was in train mode, whether gradients were on, and with what."""

    modes: tuple[bool, ...]
    gradients: bool
    inputs: tuple[Tensor, ...]

    @property
    def training(self) -> bool:
        """Whether any part was in train mode."""
        return any(self.modes)


class SpyBroke(ValueError):
    """What a spy raises when it was told to."""


class Spy(nn.Module):
    """Layers that note each call in `calls`, and fail while `breaks` is set. Several inputs come to them as a tuple."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers).double()
        self.calls: list[Call] = []
        self.breaks = False

    def forward(self, *inputs: Tensor) -> Tensor:
        modes = tuple(module.training for module in self.modules())
        self.calls.append(Call(modes, torch.is_grad_enabled(), tuple(x.detach().clone() for x in inputs)))
        if self.breaks:
            raise SpyBroke("the network broke")
        return self.layers(*inputs) if len(inputs) == 1 else self.layers(inputs)


def with_numbers(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """Parameters and statistics of its own for a network, from `generator`, so that two networks are never alike."""
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if tensor.is_floating_point():
                numbers = normal(generator, *tensor.shape)
                tensor.copy_(1 + numbers.abs() if name.endswith("running_var") else numbers)
    return network


def note_learning(network: nn.Module, optimizer: torch.optim.Optimizer, events: list[str], name: str = "") -> None:
    """From now on `events` gets "gradient" when one is computed for a weight of the network, "frozen" when it is
    computed in vain because the weight was frozen after the forward pass, and "step"; each with `name` before it.
    """
    for weights in network.parameters():
        weights.register_hook(
            lambda _, weights=weights: events.append(name + ("gradient" if weights.requires_grad else "frozen"))
        )
    optimizer.register_step_post_hook(lambda *_: events.append(name + "step"))


def flat(network: nn.Module) -> Tensor:
    """All weights in one vector."""
    return torch.cat([weights.detach().flatten() for weights in network.parameters()])


@contextmanager
def explained(complaints: dict[str, tuple[str, str]]) -> Iterator[None]:
    """Torch's own errors, by a piece of their text, as the mistake they come from: its name and what to say."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        for text, mistake in complaints.items():
            if text in told(error):
                raise WrongAnswer(*mistake) from None
        raise


def one_loss(value: Any) -> Tensor:
    """What a training step returned for a loss: a float, or a tensor without axes and without a graph."""
    if isinstance(value, Tensor) and value.requires_grad:
        raise WrongAnswer(
            "keeps the graph",
            "a loss that you return still holds its whole graph, and a list of them fills the memory: "
            "return loss.item() or loss.detach()",
        )
    if not isinstance(value, float | Tensor):
        raise WrongAnswer("type", f"a loss that you return is a {type(value).__name__}, expected a float")
    if isinstance(value, Tensor) and value.ndim:
        raise WrongAnswer("shape", f"a loss that you return has shape {list(value.shape)}, expected one number")
    return torch.as_tensor(value, dtype=torch.float64)


def refuse_training(calls: list[Call], got: Any) -> None:
    """For an answer that only draws: every call in eval mode and without gradients, and no graph in what came back."""
    if any(call.training for call in calls):
        raise WrongAnswer(
            "train mode",
            "the generator drew in train mode, so an image depends on its company: call generator.eval() first",
        )
    if isinstance(got, Tensor) and got.requires_grad:
        raise WrongAnswer(
            "keeps the graph", "your images carry gradients: call the generator inside `with torch.no_grad():`"
        )
    if any(call.gradients for call in calls):
        raise WrongAnswer(
            "graph built for nothing",
            "gradients were on while the generator drew, and thrown away after: use `with torch.no_grad():`",
        )


class Traces:
    """A network as it was; `refuse` names what is different now.

    what  how the network is called in the messages, "the generator"
    """

    def __init__(self, network: nn.Module, what: str = "the model"):
        self.network, self.what = network, what
        self.modes = self.modes_now()
        self.asks = [weights.requires_grad for weights in network.parameters()]
        self.state = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def modes_now(self) -> list[bool]:
        return [module.training for module in self.network.modules()]

    @contextmanager
    def in_eval_mode(self) -> Iterator[nn.Module]:
        """The network in eval mode without gradients, for the right answer; its modes come back after."""
        with torch.no_grad():
            yield self.network.eval()
        for module, mode in zip(self.network.modules(), self.modes, strict=True):
            module.training = mode

    def refuse(self) -> None:
        after = self.modes_now()
        if after != self.modes:
            if not any(after):
                raise WrongAnswer(
                    "left in eval mode", f"{self.what} came in train mode and is in eval mode now: restore its mode"
                )
            if all(after) and not any(self.modes):
                raise WrongAnswer(
                    "always train mode",
                    f"{self.what} came in eval mode and is in train mode now: restore the mode it had, not train mode",
                )
            raise WrongAnswer(
                "submodules forgotten",
                f"a part of {self.what} that came in one mode is in the other now: train() and eval() change all "
                "submodules, so note and restore the mode of each",
            )
        if [weights.requires_grad for weights in self.network.parameters()] != self.asks:
            raise WrongAnswer(
                "requires_grad changed",
                "a parameter's requires_grad is not what it was: leave the parameters alone, torch.no_grad is enough",
            )
        now = self.network.state_dict()
        changed = next((name for name in self.state if not torch.equal(now[name], self.state[name])), None)
        if changed:
            raise WrongAnswer("model changed", f"{changed} of {self.what} was changed: the answer may not change it")
