"""Does the silhouette term help once the learning rate is tuned for both? Small enough for a test."""

from ablations.study import Study
from ablations.tuning import Tuning
from search_spaces import Interval

STUDY = Study(
    question="Does the silhouette term help once the learning rate is tuned for both?",
    treatments={"CE": {"lambda_sil": 0.0}, "CE+Sil": {}},
    factors={"imbalance": ("none", "long_tail")},
    fixed={"dataset": "digits", "imbalance_factor": 20, "width": 4, "epochs": 4},
    baseline="CE",
    blocks=("imbalance",),
    seeds=range(3),
    sesoi=0.01,
    tuning=Tuning(
        nuisance={"lr": Interval(1e-3, 1e-1, log=True), "lambda_sil": Interval(1e-2, 2.0, log=True)},
        settings=4,
        seeds=(1000, 1001),
        grace=1,
        reduction=2,
    ),
)
