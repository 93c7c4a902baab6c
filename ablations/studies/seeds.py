"""Where does the spread between seeds come from, and does the silhouette term change it?

Command:  ablate run seeds && ablate report seeds
Cost:     240 trials of 1 to 3 s; 5 to 9 minutes on 2 cores without a GPU
Margin:   0.2 points, as in `demo`: about half of the gain that the paper reports
"""

from ablations import Study

STUDY = Study(
    question="Where does the spread between seeds come from, and does the silhouette term change it?",
    factors={"lambda_sil": (0.0, 0.2), "vary": ("all", "init", "order", "split", "class_order", "subset")},
    fixed={
        "dataset": "digits",
        "encoder": "small_cnn",
        "imbalance": "long_tail",
        "imbalance_factor": 20,
        "epochs": 20,
    },
    baseline={"lambda_sil": 0.0},
    blocks=("vary",),
    seeds=range(20),
    sesoi=0.002,
    role="exploratory",
)
