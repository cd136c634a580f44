"""start.py FOLDER OWNER ARGUMENTS: what a test's kernel specification starts; the kernel is a copy of parent.py.

Lends it its files, passes signals on, and ends as it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def connect(folder: str, owner: str) -> socket.socket:
    """To the parent of the kernels; the first who asks starts it."""
    connection = socket.socket(socket.AF_UNIX)
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = os.path.join(folder, "socket")
        if not os.path.exists(place):
            import subprocess

            with open(os.path.join(folder, "log"), "w") as log:
                parent = subprocess.Popen(
                    [sys.executable, os.path.join(HERE, "parent.py"), folder, owner],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    start_new_session=True,
                )
            while not os.path.exists(place):
                if parent.poll() is not None:
                    with open(os.path.join(folder, "log")) as log:
                        sys.exit("the parent of the kernels did not start: " + log.read())
                time.sleep(0.01)
        while True:
            try:
                connection.connect(place)
                return connection
            except ConnectionRefusedError:  # bound, and not listening yet
                time.sleep(0.01)


def main() -> int:
    folder, owner, *arguments = sys.argv[1:]
    connection = connect(folder, owner)
    environment = {**os.environ, "COURSE_KERNEL_STARTED": str(os.getpid())}
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": environment}
    message = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [message], [0, 1, 2])
    connection.sendall(message[sent:])
    answers = connection.makefile()
    kernel = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: os.kill(kernel, number))
    ended = int(answers.readline() or 1)
    return ended if ended >= 0 else 128 - ended


if __name__ == "__main__":
    sys.exit(main())
