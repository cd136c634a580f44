"""Where files lie, and one line for whatever goes wrong there."""

from __future__ import annotations

import os
import pwd

import platformdirs
import pytest

from course_lib import data, places
from course_lib.errors import CourseError, quoted


@pytest.fixture
def nobody(monkeypatch):
    """A user whom the system does not know and who has no HOME, as in many containers."""

    def unknown(key):
        raise KeyError(key)

    for name in ("HOME", "XDG_CACHE_HOME", "COURSE_CACHE", "COURSE_DATA", "COURSE_DATASET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)


def test_a_user_without_a_home_draws_and_is_told(nobody, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert len(data.load("strokes", count=3)) == 3
    (line,) = capfd.readouterr().err.splitlines()
    assert "COURSE_CACHE: got nothing, expected a folder" in line
    assert "going on without" in line
    assert list(tmp_path.iterdir()) == []  # no folder named ~


def test_a_user_without_a_home_hears_what_a_real_set_needs(nobody):
    with pytest.raises(CourseError, match="COURSE_CACHE: got nothing, expected a folder"):
        data.load("mnist")


def test_a_tilde_that_platformdirs_leaves_in_makes_no_folder(nobody, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")  # what version 4.0 does
    with pytest.raises(CourseError, match="COURSE_CACHE: got nothing"):
        places.cache_root()


@pytest.mark.parametrize("name", ["COURSE_CACHE", "COURSE_DATA"])
def test_a_home_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setenv(name, "~no_such_user/files")
    with pytest.raises(CourseError, match=f"{name}: got '~no_such_user/files', expected a folder"):
        places.data_root() if name == "COURSE_DATA" else places.cache_root()


def test_a_message_stays_one_line_whatever_the_name_holds():
    message = str(CourseError("folder: cannot read a\nb\x1b[31m\r\u2028\udcff é"))
    assert message == r"folder: cannot read a\nb\x1b[31m\r\u2028\udcff é"
    message.encode()  # what print does


def test_long_values_are_quoted_in_part():
    assert quoted("minst") == "'minst'"
    text = quoted("a" * 5000 + "z")
    assert len(text) < 90
    assert text.startswith("'aaa")
    assert text.endswith("aaz'")


def test_a_link_is_replaced_and_not_followed(tmp_path):
    outside, link = tmp_path / "outside", tmp_path / "link"
    outside.write_text("not ours")
    link.symlink_to(outside)
    places.write_whole(link, lambda part: part.write_text("ours"))
    assert (outside.read_text(), link.read_text(), link.is_symlink()) == ("not ours", "ours", False)
    os.remove(link)
    link.symlink_to(tmp_path / "nowhere")
    places.write_whole(link, lambda part: part.write_text("ours"))
    assert not (tmp_path / "nowhere").exists()
