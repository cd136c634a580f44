"""Set before torch is loaded: waiting threads spin for a short while only. Why: course_lib/training/threads.py."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

SPIN = {"GOMP_SPINCOUNT": "1000"}
CHOSEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")  # whoever set one of these has chosen

IN_TIME = "torch" not in sys.modules or any(name in os.environ for name in CHOSEN)


def limit_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """For this process, unless torch is loaded already, and for every kernel, test or run that it starts."""
    if not any(name in environment for name in CHOSEN):
        environment.update(SPIN)
