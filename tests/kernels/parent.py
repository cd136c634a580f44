"""parent.py FOLDER OWNER: a process with the libraries loaded, of which the kernels of the tests are copies.

A kernel of its own spends four processor seconds on imports before its first cell, and one run of the tests starts
a hundred kernels. What is loaded here is not ours: each copy imports course_lib itself, with its own environment.
Waits at FOLDER/socket for start.py; ends when the process OWNER has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

LIBRARIES = (  # nothing that looks for a notebook when it is imported: not ipywidgets, not matplotlib's inline backend
    "ipykernel.kernelapp",
    "torch._dynamo",
    "torchvision",
    "torchmetrics.image.fid",
    "lightning_fabric",
    "matplotlib.figure",
    "matplotlib.image",
    "matplotlib.backends.backend_agg",
    "mpl_toolkits.mplot3d",
    "scipy.signal",
    "scipy.stats",
    "PIL.Image",
)
INLINE = "module://matplotlib_inline.backend_inline"  # as ipykernel sets it


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(64)
    except ConnectionResetError:
        return True


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """What start.py asks for: arguments, folder and environment, and the files to read from and write to."""
    connection.settimeout(30)
    message, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while not message.endswith(b"\n"):
        message += connection.recv(1 << 16)
    connection.setblocking(False)
    return json.loads(message), list(files)


def wait_for_a_kernel_to_be(listening: socket.socket, owner: int) -> tuple[dict, list[int]] | None:
    """Copies this process for each request. Returns the request in the copy; None, in the parent, when all is over."""
    waking, woken = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    kernels: dict[int, socket.socket] = {}
    while is_alive(owner):
        ready, _, _ = select.select([listening, waking, *kernels.values()], [], [], 2)
        if waking in ready:
            os.read(waking, 1 << 12)
        for kernel, connection in list(kernels.items()):
            ended, status = os.waitpid(kernel, os.WNOHANG)
            if ended:
                connection.setblocking(True)
                with connection, contextlib.suppress(OSError):
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                del kernels[kernel]
            elif connection in ready and is_closed(connection):  # start.py was killed
                os.kill(kernel, signal.SIGKILL)
                os.waitpid(kernel, 0)
                connection.close()
                del kernels[kernel]
        if listening in ready:
            connection, _ = listening.accept()
            request, files = receive(connection)
            kernel = os.fork()
            if not kernel:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for end in (waking, woken):
                    os.close(end)
                for end in (listening, connection, *kernels.values()):
                    end.close()
                return request, files
            connection.sendall(b"%d\n" % kernel)
            kernels[kernel] = connection
            for file in files:
                os.close(file)
    return None


def become(request: dict, files: list[int]) -> None:
    """Take over what belongs to a process of its own: group, files, folder, environment, arguments, module path."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    ours = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(request["environment"])
    theirs = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:] = theirs + [place for place in sys.path if place not in ours]
    sys.argv[:] = ["ipykernel_launcher.py", *request["arguments"]]
    import matplotlib
    import numpy as np

    matplotlib.rcParams["backend"] = os.environ.get("MPLBACKEND", INLINE)
    np.random.seed()  # noqa: NPY002 (the global state: every new process draws its own)


def main() -> None:
    folder, owner = Path(sys.argv[1]), int(sys.argv[2])
    del sys.path[0]  # this folder
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "socket"))
    listening.listen(64)
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as course_lib sets it before torch is loaded
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # no copy touches what it does not use
    kernel = wait_for_a_kernel_to_be(listening, owner)
    if kernel:
        become(*kernel)
        atexit.register(gc.unfreeze)
        from ipykernel import kernelapp

        kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
