"""Chapter 16's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import torch
from bank import Bank, BankTests, changed

from course_lib.checks.stylegan import EDITS, FACES, WORDS, edited_faces
from course_lib.gan.stylegan import StyleGAN

HEADS = {
    "modulated_kernels": "def modulated_kernels(weight, style):",
    "mix": "def mix(a, b, start, stop, layers):",
    "truncated": "def truncated(styles, centre, psi):",
    "which_edit": "def which_edit():",
}

AT_ONCE = """
kernels = weight[None] * style[:, None, :, None, None]
return kernels / torch.linalg.vector_norm(kernels, dim=(2, 3, 4), keepdim=True)
"""
AROUND = """
squares = style.square() @ weight.square().sum(dim=(2, 3)).T
return weight[None] * style[:, None, :, None, None] * squares.rsqrt()[:, :, None, None, None]
"""
IN_TURN = """
rows = []
for n in range(len(a)):
    rows.append(torch.stack([a[n] if l < start[n] or l >= stop[n] else b[n] for l in range(layers)]))
return torch.stack(rows)
"""
LERP = "return torch.lerp(centre.expand_as(styles), styles, psi[:, None].expand_as(styles))"
NAMED = """
return {
    "A": "fine from another",
    "B": "nothing",
    "C": "coarse from another",
    "D": "colours doubled",
    "E": "new noise maps",
    "F": "truncated",
}
"""


def exchanged(one: str, other: str) -> str:
    return changed(NAMED, f'"{one}"', '"?"', f'"{other}"', f'"{one}"', '"?"', f'"{other}"')


RIGHT = {
    "modulated_kernels": [
        AT_ONCE,
        AROUND,
        "return torch.stack([F.normalize((weight * s[:, None, None]).flatten(1)).view_as(weight) for s in style])",
        "return torch.einsum('ocij,nc,no->nocij', weight, style, (style**2 @ (weight**2).sum((2, 3)).T) ** -0.5)",
    ],
    "mix": [
        IN_TURN,
        """
        layer = torch.arange(layers)
        own = ((layer < start[:, None]) | (layer >= stop[:, None])).to(a.dtype)[:, :, None]
        return own * a[:, None] + (1 - own) * b[:, None]
        """,
        "return torch.stack([torch.cat([x.expand(int(s), -1), y.expand(int(t - s), -1), x.expand(layers - int(t), -1)])"
        " for x, y, s, t in zip(a, b, start, stop)])",
    ],
    "truncated": [
        LERP,
        "return psi[None, :, None] * styles + (1 - psi)[None, :, None] * centre",
        "return torch.stack([centre + p * (styles[:, l] - centre) for l, p in enumerate(psi)], dim=1)",
    ],
    "which_edit": [NAMED, f"return dict(zip('ABCDEF', {list(EDITS.values())}))"],
}
WRONG = [
    ("modulated_kernels", "no demodulation", "return weight[None] * style[:, None, :, None, None]"),
    ("modulated_kernels", "no root", changed(AROUND, "squares.rsqrt()", "(1 / squares)")),
    ("modulated_kernels", "multiplied by the length", changed(AROUND, "rsqrt", "sqrt")),
    ("modulated_kernels", "style is a constant", changed(AT_ONCE, "style[:", "style.detach()[:")),
    ("modulated_kernels", "first style for all", changed(AT_ONCE, "style[:", "style[:1].expand_as(style)[:")),
    ("modulated_kernels", "mean style for all", changed(AT_ONCE, "style[:", "style.mean(0).expand_as(style)[:")),
    ("modulated_kernels", "one length for all outputs", changed(AT_ONCE, "dim=(2, 3, 4)", "dim=(1, 2, 3, 4)")),
    ("modulated_kernels", "length per input", changed(AT_ONCE, "dim=(2, 3, 4)", "dim=(1, 3, 4)")),
    ("modulated_kernels", "style on the outputs", changed(AT_ONCE, "style[:, None, :,", "style[:, :, None,")),
    ("mix", "swapped", changed(IN_TURN, "a[n]", "?", "b[n]", "a[n]", "?", "b[n]")),
    ("mix", "to the end", changed(IN_TURN, " or l >= stop[n]", "")),
    ("mix", "stop included", changed(IN_TURN, "l >= stop", "l > stop")),
    ("mix", "one layer late", changed(IN_TURN, "l < start", "l <= start")),
    ("mix", "one place for all", changed(IN_TURN, "start[n]", "start[0]", "stop[n]", "stop[0]")),
    ("mix", "layers first", changed(IN_TURN, "return torch.stack(rows)", "return torch.stack(rows, dim=1)")),
    ("truncated", "towards zero", "return psi[:, None] * styles"),
    ("truncated", "psi the wrong way round", changed(LERP, "psi[", "(1 - psi)[")),
    ("truncated", "first psi for all", "return centre + psi[0] * (styles - centre)"),
    ("truncated", "psi along the wrong axis", "return centre + psi * (styles - centre)"),
    ("truncated", "the batch's own mean", changed(LERP, "centre.", "styles.mean(dim=(0, 1)).")),
    (
        "which_edit",
        "fine from another taken for coarse from another",
        exchanged("fine from another", "coarse from another"),
    ),
    ("which_edit", "nothing taken for new noise maps", exchanged("nothing", "new noise maps")),
    ("which_edit", "coarse from another taken for truncated", exchanged("truncated", "coarse from another")),
    ("which_edit", "colours doubled taken for truncated", exchanged("colours doubled", "truncated")),
    ("which_edit", "word twice", "return dict.fromkeys('ABCDEF', 'nothing')"),
    ("which_edit", "letter missing", changed(NAMED, '    "D": "colours doubled",\n', "")),
    ("which_edit", "unknown word", changed(NAMED, '"nothing"', '"none"')),
    ("which_edit", "type", "return ['nothing']"),
]


class TestBank(BankTests):
    bank = Bank("16_stylegan", HEADS, RIGHT, WRONG, longest=300)


def test_each_edit_does_what_it_says():
    torch.manual_seed(0)
    model = StyleGAN(size=16, latent=6, style=5, width=4).eval()
    for layer in model.generator["synthesis"].layers:
        torch.nn.init.constant_(layer.strength, 0.3)
    weights = [weight.clone() for weight in model.parameters()]
    rows = edited_faces(model)
    assert sorted(rows) == ["A", "B", "C", "D", "E", "F", "original"]
    assert sorted(EDITS.values()) == sorted(WORDS)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    original = rows["original"]
    assert original.shape == (FACES, 3, 16, 16)
    for letter, word in EDITS.items():
        apart = float((rows[letter] - original).abs().max())
        assert (apart < 1e-4) == (word == "nothing"), word
    truncated = rows[next(letter for letter, word in EDITS.items() if word == "truncated")]
    assert truncated.std(dim=0).mean() < original.std(dim=0).mean()
