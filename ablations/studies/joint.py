"""How good can CE, CE+Sil, SupCon2 and CE+Sil+SupCon2 get when each is tuned alike, balanced and long-tailed?

Command:  ablate run joint && ablate report joint
Cost:     96 settings × 2 tuning seeds, half of their epochs saved by early stopping, then 80 trials; 6 minutes on
          2 cores without a GPU

Margin:   0.5 points, about the 0.53 points that the paper reports for SupCon2 with the term: what it calls a gain

Answer of version 0.1, where every seed drew its own test samples and each block was corrected by itself; not run again
under the present rules (2026-11-22; macro top-1 on test data in %, mean ± SD (n); 2 cores, torch 2.15):

    method            balanced             long tail ×20
    CE (baseline)     93.89 ± 1.00 (10)    71.32 ± 2.88 (10)
    CE+Sil            93.42 ± 1.69 (10)    68.46 ± 2.97 (10)  worse, Holm-adjusted p = 0.016
    SupCon2           94.51 ± 1.46 (10)    80.77 ± 3.48 (10)  better, Holm-adjusted p < 0.001
    CE+Sil+SupCon2    93.41 ± 1.88 (10)    59.99 ± 6.99 (10)  worse, Holm-adjusted p = 0.004

Balanced: no difference could be shown. Long tail: tuned alike, the silhouette term costs 2.9 points (95 % CI 0.7 to
5.0) and SupCon on two views gains 9.4 (7.1 to 11.8). Five of the eight arms carry a flag, so a longer search may change
this: their first rung hardly predicts the full budget, and the last arm's winner lies at an end of its range, was
chosen by 7.8 points of optimism and loses them again.
"""

from ablations import Study, Tuning
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
