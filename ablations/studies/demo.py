"""Does adding the silhouette term to cross-entropy help on handwritten digits, and does the answer survive a long tail?

Command:  ablate run demo && ablate report demo
Cost:     80 trials
"""

from ablations.study import Study

STUDY = Study(
    question=(
        "Does adding the silhouette term to cross-entropy help on handwritten digits, "
        "and does the answer survive a long tail?"
    ),
    factors={"lambda_sil": (0.0, 0.05, 0.2, 1.0), "imbalance": ("none", "long_tail")},
    fixed={"dataset": "digits", "encoder": "small_cnn", "imbalance_factor": 20, "epochs": 20},
    baseline={"lambda_sil": 0.0},
    blocks=("imbalance",),
    seeds=range(10),
    metric="test_top1",
    sesoi=0.002,
)
