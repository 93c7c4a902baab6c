"""How good can CE, CE+Sil, SupCon2 and CE+Sil+SupCon2 get when each is tuned alike, balanced and long-tailed?

Command:  ablate run joint && ablate report joint
Cost:     96 settings × 2 tuning seeds, half of their epochs saved by early stopping, then 80 trials
"""

from ablations.study import Study
from ablations.tuning import Tuning
from search_spaces import Interval

STUDY = Study(
    question=(
        "How good can CE, CE+Sil, SupCon2 and CE+Sil+SupCon2 get when each is tuned alike, "
        "under balanced and long-tailed data?"
    ),
    treatments={
        "CE": {"objective": "ce", "lambda_sil": 0.0},
        "CE+Sil": {"objective": "ce"},
        "SupCon2": {"objective": "supcon2", "lambda_sil": 0.0},
        "CE+Sil+SupCon2": {"objective": "ce + supcon2"},
    },
    factors={"imbalance": ("none", "long_tail")},
    fixed={
        "dataset": "digits",
        "encoder": "small_cnn",
        "width": 8,
        "imbalance_factor": 20,
        "epochs": 20,
        "transform": "crop_flip",  # SupCon2 compares two views; the others train on the same augmentation
    },
    baseline="CE",
    blocks=("imbalance",),
    seeds=range(10),
    metric="test_macro_top1",
    sesoi=0.005,
    tuning=Tuning(
        nuisance={
            "lr": Interval(3e-4, 1e-1, log=True),
            "batch_size": Interval(24, 128, log=True, integer=True),
            "lambda_sil": Interval(1e-2, 2.0, log=True),
            "tau": Interval(1e-2, 1.0, log=True),
            "temperature": Interval(5e-2, 0.5, log=True),
        },
        settings=12,
        grace=3,
        reduction=3,
    ),
)
