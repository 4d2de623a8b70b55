"""The papers' claims as programs: what a study says, does and writes.

The programs themselves are in ``applications/`` of the repository, their pages in
``docs/literature/``.
"""

from kerasnets.studies.page import overview, page
from kerasnets.studies.results import (
    counted_results,
    read_results,
    refreshed,
    results_text,
    trained_results,
)
from kerasnets.studies.run import (
    adjusted_biases,
    main,
    publish,
    publish_results,
    run_study,
)
from kerasnets.studies.study import SIZES, Claim, Picture, Row, Size, Study
from kerasnets.studies.verdict import RULE, VERDICTS, Verdict, judge

__all__ = [
    "RULE",
    "SIZES",
    "VERDICTS",
    "Claim",
    "Picture",
    "Row",
    "Size",
    "Study",
    "Verdict",
    "adjusted_biases",
    "counted_results",
    "judge",
    "main",
    "overview",
    "page",
    "publish",
    "publish_results",
    "read_results",
    "refreshed",
    "results_text",
    "run_study",
    "trained_results",
]
