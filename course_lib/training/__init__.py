"""What every training shares, so that a chapter's own code holds only its lesson."""

from course_lib.training.average import MovingAverage
from course_lib.training.budget import budget, budget_name
from course_lib.training.checkpoint import read_card
from course_lib.training.devices import first_process
from course_lib.training.fit import fit
from course_lib.training.model import Trainable, evaluating
from course_lib.training.progress import recent
from course_lib.training.run import Run
from course_lib.training.weights import load_weights

__all__ = [
    "MovingAverage",
    "Run",
    "Trainable",
    "budget",
    "budget_name",
    "evaluating",
    "first_process",
    "fit",
    "load_weights",
    "read_card",
    "recent",
]
