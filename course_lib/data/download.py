"""Fetching one file from the first mirror that has it: whole, checked, and never hanging."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from course_lib.errors import CourseError
from course_lib.places import say

PATIENCE = 12.0  # seconds without a byte, over all mirrors together, until a download is given up
TELL = 10.0  # seconds between two lines about a long download
CHUNK = 16 * 1024
LARGEST = 2**28  # bytes; the largest file of a set, CIFAR-10's archive, has 170 million


def fetch(name: str, urls: list[str], md5: str, folder: Path) -> bytes:
    """The content at the first of `urls` that gives it whole and right, or of the same file put into `folder` by hand.

    Raises CourseError, after at most 15 s of silence.
    """
    filename = urls[0].rsplit("/", 1)[1]
    reasons = []
    if os.path.isfile(folder / filename):
        try:
            content = read(folder / filename)
            if md5_of(content) == md5:
                return content
            reasons.append(f"{folder / filename}: wrong checksum")
        except OSError as error:
            reasons.append(f"{folder / filename}: {error.strerror or error}")
    say(f"{name}: fetching {filename} for {folder}")
    for url in urls:
        try:
            content = get(url, PATIENCE / len(urls))
            if md5_of(content) == md5:
                return content
            reason = "wrong checksum"
        except (OSError, HTTPException, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
        reasons.append(f"{url}: {reason}")
    raise CourseError(
        f"{name}: could not fetch {filename} ({'; '.join(reasons)}); put the file into {folder} by hand, "
        "or use the embedded default, COURSE_DATASET=strokes"
    )


def read(path: Path) -> bytes:
    """The content of a file. Raises OSError, also for one that is too large to be part of a set."""
    size = os.path.getsize(path)
    if size > LARGEST:
        raise OSError(too_large(size))
    return path.read_bytes()


def too_large(size: int) -> str:
    return f"{size:,} bytes, expected at most {LARGEST:,}"


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def get(url: str, patience: float) -> bytes:
    """The content at a URL, in memory. Raises TimeoutError after `patience` seconds without progress.

    A socket's own time-out is not enough: it starts anew for every address a name has, and does not cover looking the
    name up. So a thread reads and this one watches. A thread given up on touches no file and ends by itself.
    """
    chunks, failure, progress = [], [], [time.monotonic()]
    given_up = threading.Event()

    def read() -> None:
        try:
            request = Request(url, headers={"User-Agent": "pytorch/vision"})
            with urlopen(request, timeout=patience) as response:
                expected = response.headers.get("Content-Length")
                if expected is not None and int(expected) > LARGEST:
                    raise OSError(too_large(int(expected)))
                received = 0
                while not given_up.is_set() and (chunk := response.read(CHUNK)):
                    chunks.append(chunk)
                    progress[0] = time.monotonic()
                    received += len(chunk)
                    if received > LARGEST:  # a server need not say how much it sends
                        raise OSError(too_large(received))
            if expected is not None and received != int(expected):
                raise OSError(f"truncated, {received} of {expected} bytes")
        except BaseException as error:
            if isinstance(error, HTTPError):
                error.close()
            failure.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    told = time.monotonic()
    while thread.is_alive():
        thread.join(0.1)
        if time.monotonic() - told > TELL:
            told = time.monotonic()
            say(f"{sum(map(len, chunks)) / 1e6:.1f} MB so far")
        if thread.is_alive() and time.monotonic() - progress[0] > patience:
            given_up.set()
            raise TimeoutError(f"no answer for {patience:.0f} s")
    if failure:
        raise failure[0]
    return b"".join(chunks)
