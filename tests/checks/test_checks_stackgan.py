"""Chapter 14's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import torch
from bank import Bank, BankTests, changed

from course_lib import data
from course_lib.checks.stackgan import ASKED, EDITS, WORDS, edited_pictures
from course_lib.data.wording import STROKES
from course_lib.gan.stackgan import SketchGAN, StackGAN

HEADS = {
    "last_state": "def last_state(states, tokens):",
    "swap_word": "def swap_word(choices, sizes, kind, shift):",
    "matching_loss": "def matching_loss(right, wrong, fake):",
    "which_change": "def which_change():",
}

IN_TURN = """
rows = []
for state, words in zip(states, tokens):
    last = int((words != 0).sum()) - 1
    rows.append(state[last])
return torch.stack(rows)
"""
GATHERED = """
last = (tokens != 0).sum(dim=1) - 1
return states.gather(1, last[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
"""
BY_ROW = """
wrong = choices.clone()
for n in range(len(wrong)):
    k = kind[n]
    wrong[n, k] = (wrong[n, k] + shift[n]) % sizes[k]
return wrong
"""
BY_MASK = """
here = torch.nn.functional.one_hot(kind, len(sizes))
return (choices + here * shift[:, None]) % sizes
"""
PAIRED = "return F.softplus(fake - right).mean() + F.softplus(wrong - right).mean()"
NAMED = """
return {
    "A": "second reading wrong",
    "B": "one noise for all",
    "C": "captions shuffled",
    "D": "sketch blurred",
    "E": "words in reverse",
    "F": "code without noise",
}
"""


def exchanged(one: str, other: str) -> str:
    return changed(NAMED, f'"{one}"', '"?"', f'"{other}"', f'"{one}"', '"?"', f'"{other}"')


RIGHT = {
    "last_state": [
        IN_TURN,
        GATHERED,
        """
        real = (tokens != 0).to(states.dtype)
        last = real - torch.cat([real[:, 1:], torch.zeros_like(real[:, :1])], dim=1)
        return (states * last[:, :, None]).sum(dim=1)
        """,
    ],
    "swap_word": [
        BY_ROW,
        BY_MASK,
        """
        new = choices.gather(1, kind[:, None]) + shift[:, None]
        return choices.scatter(1, kind[:, None], new % sizes[kind][:, None])
        """,
    ],
    "matching_loss": [
        PAIRED,
        "return -F.logsigmoid(right - fake).mean() - F.logsigmoid(right - wrong).mean()",
        "return (torch.log1p(torch.exp(fake - right)) + torch.log1p(torch.exp(wrong - right))).mean()",
        "return torch.stack([F.softplus(x - right).mean() for x in (fake, wrong)]).sum()",
    ],
    "which_change": [NAMED, f"return dict(zip('ABCDEF', {list(EDITS.values())}))"],
}
WRONG = [
    ("last_state", "after the padding", "return states[:, -1]"),
    ("last_state", "one too early", changed(IN_TURN, "- 1", "- 2")),
    ("last_state", "first state", "return states.select(1, 0)"),
    (
        "last_state",
        "one length for all",
        changed(GATHERED, "last[:, None, None]", "last[:1, None, None]", "-1, 1", "len(states), 1"),
    ),
    ("last_state", "mean over all places", "return states.sum(1) / states.shape[1]"),
    ("last_state", "detached", changed(GATHERED, "states.gather", "states.detach().gather")),
    ("swap_word", "not around", changed(BY_ROW, " % sizes[k]", "")),
    ("swap_word", "one size for all", changed(BY_ROW, "sizes[k]", "sizes[0]")),
    ("swap_word", "every kind", changed(BY_MASK, "here * shift", "shift")),
    ("swap_word", "one kind for all", changed(BY_ROW, "kind[n]", "kind[0]")),
    ("swap_word", "backwards", changed(BY_ROW, "+ shift", "- shift")),
    ("swap_word", "nothing changed", "return choices.clone()"),
    ("matching_loss", "no wrong words", "return F.softplus(fake - right).mean()"),
    (
        "matching_loss",
        "turned round",
        changed(PAIRED, "fake - right", "right - fake", "wrong - right", "right - wrong"),
    ),
    ("matching_loss", "wrong against fake", changed(PAIRED, "wrong - right", "fake - wrong")),
    ("matching_loss", "sum over the batch", changed(PAIRED, ".mean()", ".sum()")),
    ("matching_loss", "halved", f"return 0.5 * ({PAIRED.removeprefix('return ')})"),
    ("matching_loss", "right is a constant", f"right = right.detach()\n{PAIRED}"),
    (
        "which_change",
        "second reading wrong taken for captions shuffled",
        exchanged("second reading wrong", "captions shuffled"),
    ),
    ("which_change", "one noise for all taken for sketch blurred", exchanged("one noise for all", "sketch blurred")),
    (
        "which_change",
        "words in reverse taken for code without noise",
        exchanged("words in reverse", "code without noise"),
    ),
    ("which_change", "word twice", "return dict.fromkeys('ABCDEF', 'sketch blurred')"),
    ("which_change", "letter missing", changed(NAMED, '    "D": "sketch blurred",\n', "")),
    ("which_change", "unknown word", changed(NAMED, '"sketch blurred"', '"none"')),
    ("which_change", "type", "return ['nothing']"),
]


class TestBank(BankTests):
    bank = Bank("14_stackgan", HEADS, RIGHT, WRONG, longest=300)


def test_each_change_does_what_it_says():
    torch.manual_seed(0)
    first = SketchGAN("strokes", latent=8, width=4, text=6, code=4)
    images = data.load("strokes", size=32, count=4, colour=True)
    model = StackGAN.for_data(images, first=first, width=4, blocks=1).eval()
    rows = edited_pictures(model)
    assert sorted(rows) == ["A", "B", "C", "D", "E", "F", "as asked"]
    assert sorted(EDITS.values()) == sorted(WORDS)
    assert all(row.shape == (8, 3, 32, 32) for row in rows.values())
    assert all(not torch.equal(rows[letter], rows["as asked"]) for letter in EDITS)
    assert all(STROKES.write(word) for word in [{k: o[0] for k, o in STROKES.kinds.items()}])
    assert not STROKES.unseen(torch.stack([STROKES.read(caption) for caption in ASKED])).any()
