"""What the diagnoses share: lettered runs, a word for each, and for a wrong word what to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from course_lib.checks.verdict import WrongAnswer


def expect_words(
    said: Any,
    right: Mapping[str, str],
    words: Sequence[str],
    look_again: Mapping[tuple[str, str | None], str],
    *,
    once: bool = False,
) -> None:
    """Compare letter -> word, as the learner said it, with the right ones; the first wrong letter is named.

    look_again  (right word, word said) -> what to look at; None for any other word
    once        refuse a word said twice before anything is compared; else it is only mentioned

    Raises WrongAnswer for what is no such dictionary, and for the first wrong letter.
    """
    if not isinstance(said, dict):
        raise WrongAnswer("type", f"you return a {type(said).__name__}, expected a dictionary such as {{'A': '...'}}")
    missing = [letter for letter in right if letter not in said]
    if missing:
        found = ", ".join(f"{key!r:.30}" for key in list(said)[:6]) or "none"
        raise WrongAnswer("letter missing", f"there is no diagnosis for {', '.join(missing)}; your keys: {found}")
    unknown = [f"{letter}: {said[letter]!r:.30}" for letter in right if said[letter] not in words]
    if unknown:
        raise WrongAnswer("unknown word", f"{unknown[0]} is none of the six words: {', '.join(words)}")
    twice = [word for word in words if list(said.values()).count(word) > 1]
    remark = f"you say {twice[0]!r} twice: each word fits one run" if twice else ""
    if once and twice:
        raise WrongAnswer("word twice", remark)
    for letter, word in right.items():
        if said[letter] != word:
            hint = look_again.get((word, said[letter])) or look_again[word, None]
            also = f" (and {remark})" if twice else ""
            raise WrongAnswer(f"{word} taken for {said[letter]}", f"{letter} is not {said[letter]!r}: {hint}{also}")
