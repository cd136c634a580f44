"""How good are generated images? Every figure in the feature space of chapter 4's CNN, with its floor beside it."""

from course_lib.metrics.factors import correlations, matches
from course_lib.metrics.judge import features, judge
from course_lib.metrics.likelihood import Likelihood, active_units, bits_per_dimension, likelihood
from course_lib.metrics.modes import fair_coverage, mode_coverage
from course_lib.metrics.quality import class_shares, coverage, frechet_distance, kl_to_uniform, precision_recall
from course_lib.metrics.report import Report, report

__all__ = [
    "Likelihood",
    "Report",
    "active_units",
    "bits_per_dimension",
    "class_shares",
    "correlations",
    "coverage",
    "fair_coverage",
    "features",
    "frechet_distance",
    "judge",
    "kl_to_uniform",
    "likelihood",
    "matches",
    "mode_coverage",
    "precision_recall",
    "report",
]
