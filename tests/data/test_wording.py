"""Captions: every word true, none shuffled away from its picture, and what is held out stays out."""

from __future__ import annotations

import pytest
import torch

from course_lib import data
from course_lib.data import wording
from course_lib.data.batches import batches
from course_lib.data.wording import PORTRAITS, STROKES, WORDINGS, Vocabulary, facts, words_in
from course_lib.errors import CourseError

ALL = pytest.mark.parametrize("words", WORDINGS.values(), ids=WORDINGS)


def some(name: str, count: int = 600):
    return data.load(name, size=16, count=count, colour=True, masks=False)


def test_captions_of_strokes_are_those_of_chapter_1():
    images = some("strokes")
    assert STROKES.sentences(STROKES.look(facts(images))) == list(images.captions)


def test_captions_of_portraits_agree_with_those_of_chapter_12():
    images = some("portraits")
    known = facts(images)
    choices, kept = PORTRAITS.look(known), ~PORTRAITS.skip(known)
    assert 0.4 < kept.float().mean() < 0.65
    sentences = PORTRAITS.sentences(choices)
    for i in kept.nonzero()[:, 0].tolist():
        ours, theirs = words_in(sentences[i]), words_in(images.captions[i])
        for word in ("smile", "sad", "sunglasses", "glasses"):
            assert (word in ours) == (word in theirs), (sentences[i], images.captions[i])
        assert ("beard" in ours) == any(w in theirs for w in ("beard", "goatee", "moustache", "stubble"))


@ALL
def test_reading_a_sentence_undoes_writing_it(words):
    choices = words.everything[torch.randperm(len(words.everything), generator=torch.Generator().manual_seed(0))[:60]]
    for sentence, row in zip(words.sentences(choices), choices, strict=True):
        assert words.read(sentence).tolist() == row.tolist()


@ALL
def test_encoding_choices_is_encoding_their_sentences(words):
    choices = words.everything[::7]
    assert torch.equal(words.encode(choices), words.vocabulary.encode(words.sentences(choices)))
    assert torch.equal(words.everything[words.place(choices)], choices)


def test_held_out_by_hand():
    assert STROKES.unseen(STROKES.read("a thick red zero upright")[None]).item()
    assert not STROKES.unseen(STROKES.read("a thick red one upright")[None]).item()
    assert STROKES.unseen(STROKES.read("an orange one leaning left")[None]).item()
    assert PORTRAITS.unseen(PORTRAITS.read("a face with long red hair and glasses")[None]).item()
    assert not PORTRAITS.unseen(PORTRAITS.read("a face with long red hair and sunglasses")[None]).item()


@ALL
def test_every_option_is_seen_although_pairs_are_held_out(words):
    seen = words.everything[~words.held_out]
    assert all(len(seen[:, kind].unique()) == size for kind, size in enumerate(words.sizes))
    assert 0.02 < words.held_out.float().mean() < 0.2


@ALL
def test_wrong_words_differ_in_one_kind_and_are_never_held_out(words):
    torch.manual_seed(0)
    choices = words.everything[~words.held_out].repeat(4, 1)
    wrong = words.one_word_off(choices)
    differ = wrong != choices
    assert (differ.sum(dim=1) == 1).all()
    assert not words.unseen(wrong).any()
    assert (differ.float().mean(dim=0) > 0.1).all()  # every kind is asked about


@ALL
def test_words_of_a_batch_are_those_of_its_pictures(words):
    """Labels and factors come from the same rows as the pictures, in every batch and after every shuffle."""
    images = some(words.world, 300)
    truth = words.look(facts(images))
    for step in (0, 1, 7):
        batch = batches(images, 40, seed=3).at(step)
        rows = [int((images.images == one).flatten(1).all(dim=1).nonzero()[0]) for one in batch.images]
        assert torch.equal(words.look(facts(batch)), truth[rows])


def test_unknown_words_are_one_line_with_the_nearest():
    for sentence, line in (
        ("a purpel seven upright", r"^caption: got the unknown word 'purpel', expected purple"),
        ("a red seven leening left", r"expected leaning"),
        ("xxxxxx", r"expected one of a, an, blue"),
    ):
        with pytest.raises(CourseError, match=line) as raised:
            STROKES.vocabulary.encode([sentence])
        assert "\n" not in str(raised.value)
    with pytest.raises(CourseError, match=r"^caption: got 0 words, expected 1 to 6"):
        STROKES.vocabulary.encode([" , "])
    with pytest.raises(CourseError, match=r"^caption: got 7 words"):
        STROKES.vocabulary.encode(["a thick red seven leaning left left"])
    with pytest.raises(CourseError, match=r"^captions: got one string"):
        STROKES.vocabulary.encode("red")
    with pytest.raises(CourseError, match=r"^digit: got none in the caption"):
        STROKES.read("a red")
    with pytest.raises(CourseError, match=r"^colour: got .* and .* in the caption"):
        STROKES.read("a red blue seven upright")
    with pytest.raises(CourseError, match=r"^world: got 'mnist', expected one of strokes, portraits"):
        wording.wording_of("mnist")
    with pytest.raises(CourseError, match=r"^images: got grey strokes"):
        STROKES.look(facts(data.load("strokes", size=16, count=10)))


def test_a_vocabulary_by_hand():
    words = Vocabulary(["a red one", "a thick red one"])
    assert words.words == ("", "a", "one", "red", "thick")
    assert words.encode(["Thick, red"]).tolist() == [[4, 3, 0, 0]]


def test_borderline_drawings_are_skipped():
    values = torch.tensor([0.0, 0.09, 0.15, 0.21, 0.23])
    assert wording.near(values, (-0.15, 0.15), 0.07).tolist() == [False, True, True, True, False]
