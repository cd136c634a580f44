"""Chapter 8's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from bank import Bank, BankTests, changed

from course_lib import checks
from course_lib.checks.conditional_gan import NOISES, WORDS, counted_orders, diagnosis_of, mystery_tables, tables
from course_lib.checks.verdict import WrongAnswer
from course_lib.training import evaluating

HEADS = {
    "condition": "def condition(noise, labels, table):",
    "projection_logits": "def projection_logits(features, labels, weight, bias, table):",
    "sample_to_order": "def sample_to_order(generator, noise, orders):",
    "order_table": "def order_table(logits, orders):",
    "what_went_wrong": "def what_went_wrong(table):",
}


BESIDE = "return torch.cat([noise, table[labels]], dim=1)"
PROJECT = "return features @ weight + bias + (table[labels] * features).sum(dim=1)"
SHEET = """
was = generator.training
generator.eval()
with torch.no_grad():
    images = generator(noise.repeat_interleave(len(orders), dim=0), orders.repeat(len(noise)))
generator.train(was)
return images.unflatten(0, (len(noise), len(orders)))
"""
TABLE = """
read = logits.argmax(dim=1)
table = torch.zeros(logits.shape[1], logits.shape[1], dtype=torch.int64)
for row, column in zip(orders.tolist(), read.tolist()):
    table[row, column] += 1
return table
"""
DIAGNOSE = """
K = len(table)
rows = table / table.sum(dim=1, keepdim=True)
most = rows.argmax(dim=1)
off = [(int(m) - k) % K for k, m in enumerate(most)]
if rows.std(dim=0).max() < 0.05:
    return "orders ignored", None
if not any(off):
    wrong = 1 - rows.diag().mean().item()
    return ("healthy", None) if wrong < 0.05 else ("label noise", round(wrong * K / (K - 1), 1))
if all(off) and len(set(off)) == 1:
    return "shifted", None
return ("collapsed" if sum(map(bool, off)) == 1 else "exchanged"), None
"""
WRONG_SHARE = "round(wrong * K / (K - 1), 1)"

RIGHT = {
    "condition": [
        BESIDE,
        "return torch.hstack((noise, F.embedding(labels, table)))",
        "return torch.cat([noise, F.one_hot(labels, len(table)).to(table) @ table], dim=-1)",
        "return torch.stack([torch.cat([z, table[y]]) for z, y in zip(noise, labels)])",
        "return torch.cat([noise, table.index_select(0, labels)], 1)",
    ],
    "projection_logits": [
        PROJECT,
        "return ((weight + table[labels]) * features).sum(-1) + bias",
        """
        free = F.linear(features, weight[None], bias[None])[:, 0]
        return torch.einsum('nf,nf->n', features, F.embedding(labels, table)) + free
        """,
        "return features @ weight + bias + (features @ table.T).gather(1, labels[:, None])[:, 0]",
        "return features @ weight + bias + torch.diagonal(features @ table[labels].T)",
        "return torch.stack([h @ weight + bias + h @ table[y] for h, y in zip(features, labels)])",
        "return (features @ weight[:, None] + bias)[:, 0] + (table[labels][:, None] @ features[:, :, None]).flatten()",
    ],
    "sample_to_order": [
        SHEET,
        """
        with evaluating(generator):
            return torch.stack([generator(z.expand(len(orders), -1), orders) for z in noise])
        """,
        """
        was = generator.training
        generator.train(False)
        with torch.no_grad():
            columns = [generator(noise, order.expand(len(noise))) for order in orders]
        if was:
            generator.train()
        return torch.stack(columns, dim=1)
        """,
        """
        pairs = torch.cartesian_prod(torch.arange(len(noise)), orders)
        modes = {m: m.training for m in generator.modules()}
        generator.eval()
        with torch.inference_mode():
            images = generator(noise[pairs[:, 0]], pairs[:, 1])
        for m, mode in modes.items():
            m.training = mode
        return images.reshape(len(noise), len(orders), *images.shape[1:])
        """,
    ],
    "order_table": [
        TABLE,
        """
        classes = logits.shape[1]
        return torch.bincount(orders * classes + logits.argmax(1), minlength=classes * classes).view(classes, classes)
        """,
        """
        classes = logits.shape[1]
        return F.one_hot(orders, classes).T @ F.one_hot(logits.softmax(dim=1).argmax(dim=1), classes)
        """,
        """
        read, classes = logits.max(dim=1).indices, range(logits.shape[1])
        return torch.tensor([[int(((orders == i) & (read == j)).sum()) for j in classes] for i in classes])
        """,
    ],
    "what_went_wrong": [
        DIAGNOSE,
        # in numpy, and s from what stands beside the diagonal
        """
        K, rows = len(table), table.numpy() / table.numpy().sum(1, keepdims=True)
        if rows.diagonal().min() > 0.9:
            return ["healthy", None]
        if np.ptp(rows, axis=0).max() < 0.12:
            return ["orders ignored", None]
        most = rows.argmax(1)
        if (most == np.arange(K)).all():
            return "label noise", np.round((rows.sum() - rows.trace()) / (K - 1), 1)
        if len(set(most)) < K:
            return "collapsed", None
        return ("exchanged" if (most == np.arange(K)).sum() == K - 2 else "shifted"), None
        """,
    ],
}


def remembers(right: Callable) -> Callable:
    """Looks its answer up, by the shapes of what it is given."""
    seen = {}
    return lambda *given: seen.setdefault(tuple(x.shape for x in given), right(*given))


LOGIT = PROJECT.removeprefix("return ")

WRONG = [
    (
        "condition",
        "added",
        "rows = table[labels]\nreturn noise + rows if rows.shape == noise.shape else torch.cat([noise, rows], 1)",
    ),
    (
        "condition",
        "below each other",
        "rows = table[labels]\nreturn torch.cat([noise, rows], dim=int(rows.shape != noise.shape))",
    ),
    (
        "condition",
        "table transposed",
        changed(BESIDE, "table[labels]", "(table.T if table.shape[0] == table.shape[1] else table)[labels]"),
    ),
    ("condition", "fixed batch", changed(BESIDE, "table[labels]", "table[labels].reshape(64, -1)")),
    (
        "condition",
        "fixed batch",
        """
        onehot = torch.zeros(64, len(table), dtype=table.dtype)
        onehot[torch.arange(64), labels] = 1
        return torch.cat([noise, onehot @ table], dim=1)
        """,
    ),
    ("condition", "no gradient", changed(BESIDE, "table[labels]", "table.detach()[labels]")),
    ("condition", "no gradient", changed(BESIDE, "noise", "noise.data")),
    ("condition", "no gradient", changed(BESIDE, "table[labels]", "nn.Embedding.from_pretrained(table.data)(labels)")),
    ("condition", "no gradient", "with torch.no_grad():\n    " + BESIDE),
    ("condition", "no gradient", "return torch.tensor(np.hstack([noise.detach(), table.detach()[labels]]))"),
    ("condition", "float32", "return torch.cat([noise, F.one_hot(labels, len(table)).float() @ table.float()], dim=1)"),
    ("condition", "dtype", BESIDE + ".float()"),
    ("condition", "remembers", remembers(lambda noise, labels, table: torch.cat([noise, table[labels]], dim=1))),
    ("condition", "changes its input", "noise.data *= 2\n" + BESIDE),
    ("condition", "type", "return noise, table[labels]"),
    ("condition", "wrong", changed(BESIDE, "table[labels]", "table[labels].tanh()")),
    (
        "projection_logits",
        "every pair",
        "return (features @ weight + bias)[:, None] + features @ table[labels].T",
    ),
    (
        "projection_logits",
        "every pair",
        changed(PROJECT, "(table[labels] * features).sum(dim=1)", "features @ table[labels].T"),
    ),
    (
        "projection_logits",
        "all classes",
        "return (features @ weight + bias)[:, None] + features @ table.T",
    ),
    ("projection_logits", "column", f"return ({LOGIT})[:, None]"),
    (
        "projection_logits",
        "table transposed",
        changed(PROJECT, "table[labels]", "(table.T if table.shape[0] == table.shape[1] else table)[labels]"),
    ),
    ("projection_logits", "no gradient", changed(PROJECT, "table[labels]", "table[labels].detach()")),
    ("projection_logits", "no gradient", "features = features.detach()\n" + PROJECT),
    ("projection_logits", "no gradient", changed(PROJECT, "+ bias", "+ bias.item()")),
    ("projection_logits", "no gradient", "with torch.no_grad():\n    " + PROJECT),
    ("projection_logits", "float32", changed(PROJECT, "* features)", "* features.float()).double()")),
    ("projection_logits", "changes its input", "weight.data += table[labels[0]].data * 0 + 1\n" + PROJECT),
    ("projection_logits", "type", f"return ({LOGIT}).tolist()"),
    ("projection_logits", "wrong", changed(PROJECT, "+ (table", "+ 0.5 * (table")),
    ("sample_to_order", "fresh noise", "noise = torch.randn_like(noise)\n" + SHEET.strip()),
    ("sample_to_order", "not in rows", changed(SHEET, ".unflatten(0, (len(noise), len(orders)))", "")),
    ("sample_to_order", "train mode", changed(SHEET, "generator.eval()\n", "")),
    ("sample_to_order", "train mode", changed(SHEET, "generator.eval()", "generator.training = False")),
    ("sample_to_order", "left in eval mode", changed(SHEET, "generator.train(was)\n", "")),
    ("sample_to_order", "always train mode", changed(SHEET, "generator.train(was)", "generator.train()")),
    ("sample_to_order", "submodules forgotten", changed(SHEET, "generator.train(was)", "generator.training = was")),
    ("sample_to_order", "keeps the graph", changed(SHEET, "torch.no_grad()", "torch.enable_grad()")),
    (
        "sample_to_order",
        "graph built for nothing",
        changed(SHEET, "torch.no_grad()", "torch.enable_grad()", "return images", "return images.detach()"),
    ),
    (
        "sample_to_order",
        "gradients switched on",
        changed(SHEET, "with torch.no_grad():\n    ", "torch.set_grad_enabled(False)\n").replace(
            "generator.train(was)", "generator.train(was)\ntorch.set_grad_enabled(True)"
        ),
    ),
    ("sample_to_order", "requires_grad changed", "generator.requires_grad_(False)\n" + SHEET.strip()),
    (
        "sample_to_order",
        "model changed",
        changed(SHEET, "    images", "    generator.layers[0].table.weight[0] += 1\n    images"),
    ),
    ("sample_to_order", "changes its input", "noise.clamp_(-1, 1)\n" + SHEET.strip()),
    ("sample_to_order", "not called", "return torch.zeros(len(noise), len(orders), 2, 3, 5)"),
    (
        "sample_to_order",
        "type",
        changed(SHEET, "return images", "return list(images").replace("orders)))", "orders))))"),
    ),
    ("sample_to_order", "wrong", changed(SHEET, "return images", "return 0.9 * images")),
    ("order_table", "argmax over the batch", changed(TABLE, "dim=1", "dim=0")),
    ("order_table", "rare class left out", "return F.one_hot(orders).T @ F.one_hot(logits.argmax(dim=1))"),
    ("order_table", "dtype", changed(TABLE, ", dtype=torch.int64", "")),
    ("order_table", "type", changed(TABLE, "return table", "return table.tolist()")),
    ("order_table", "changes its input", "logits -= logits.amax(dim=1, keepdim=True)\n" + TABLE.strip()),
    ("order_table", "wrong", changed(TABLE, "+= 1", "+= 2")),
    ("what_went_wrong", "chance forgotten", changed(DIAGNOSE, WRONG_SHARE, "round(wrong, 1)")),
    ("what_went_wrong", "chance the wrong way", changed(DIAGNOSE, "wrong * K / (K - 1)", "wrong * (K - 1) / K")),
    ("what_went_wrong", "ten classes", changed(DIAGNOSE, "wrong * K / (K - 1)", "wrong / 0.9")),
    ("what_went_wrong", "share of the right ones", changed(DIAGNOSE, WRONG_SHARE, "round(1 - wrong, 1)")),
    ("what_went_wrong", "not rounded", changed(DIAGNOSE, WRONG_SHARE, "wrong * K / (K - 1)")),
    ("what_went_wrong", "no share", changed(DIAGNOSE, WRONG_SHARE, "None")),
    ("what_went_wrong", "noise taken for healthy", changed(DIAGNOSE, "wrong < 0.05", "wrong < 1")),
    ("what_went_wrong", "orders ignored taken for noise", changed(DIAGNOSE, "< 0.05:", "< 0:", "not any(off)", "True")),
    (
        "what_went_wrong",
        "orders ignored taken for collapsed",
        changed(DIAGNOSE, "< 0.05:", "< 0:", "== 1 else", "> 2 else"),
    ),
    ("what_went_wrong", "exchanged taken for collapsed", changed(DIAGNOSE, "== 1 else", "<= 2 else")),
    ("what_went_wrong", "collapsed taken for exchanged", changed(DIAGNOSE, "== 1 else", "== 0 else")),
    ("what_went_wrong", "shifted taken for exchanged", changed(DIAGNOSE, "if all(off)", "if K < 0")),
    (
        "what_went_wrong",
        "exchanged taken for shifted",
        changed(DIAGNOSE, "all(off) and len(set(off)) == 1", "sum(map(bool, off)) > 1"),
    ),
    ("what_went_wrong", "always healthy", 'return "healthy", None'),
    ("what_went_wrong", "false alarm", changed(DIAGNOSE, "wrong < 0.05", "wrong < 0")),
    ("what_went_wrong", "unknown word", changed(DIAGNOSE, '"label noise"', '"noise"')),
    ("what_went_wrong", "type", changed(DIAGNOSE, 'return "shifted", None', 'return "shifted"')),
]


class TestBank(BankTests):
    bank = Bank("08_conditional_gan", HEADS, RIGHT, WRONG, space={"evaluating": evaluating})


def test_no_single_diagnosis_and_no_fixed_answers_pass():
    """The tables come in an order that is drawn, with several numbers of classes: nobody is to guess."""
    words = [[diagnosis_of(case["table"])[0] for case in tables(torch.Generator().manual_seed(k))] for k in range(2)]
    assert words[0] != words[1]
    assert {diagnosis_of(table)[0] for table in mystery_tables().values()} == set(WORDS)
    for word in WORDS:
        with pytest.raises(WrongAnswer):
            checks.what_went_wrong(lambda table, word=word: (word, 0.4 if word == "label noise" else None))


@pytest.mark.parametrize("seed", range(20))
def test_every_table_shows_what_happened(seed):
    """Whatever the draw, the rules of the text find the word and the share that made the table."""
    generator = torch.Generator().manual_seed(seed)
    for classes, share in NOISES:
        assert diagnosis_of(counted_orders("label noise", classes, share, 2000, generator)) == ("label noise", share)
    for word in WORDS:
        for classes in (10, 5, 7):
            if word != "label noise":
                assert diagnosis_of(counted_orders(word, classes, 0.0, 2000, generator)) == (word, None)
