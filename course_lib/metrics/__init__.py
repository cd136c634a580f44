"""How good are generated images? Every figure in the feature space of chapter 4's CNN, with its floor beside it."""

from course_lib.metrics.judge import features, judge
from course_lib.metrics.modes import mode_coverage
from course_lib.metrics.quality import class_shares, frechet_distance, kl_to_uniform, precision_recall
from course_lib.metrics.report import Report, report

__all__ = [
    "Report",
    "class_shares",
    "features",
    "frechet_distance",
    "judge",
    "kl_to_uniform",
    "mode_coverage",
    "precision_recall",
    "report",
]
