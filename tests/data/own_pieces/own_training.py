"""Does a larger step lower the error of a training without torch?"""

from ablations import Study

STUDY = Study(
    question="Does a larger step lower the error?",
    experiment="own_pieces.training:Logistic",
    factors={"lr": (0.1, 0.5)},
    baseline={"lr": 0.1},
    seeds=range(6),
    metric="test_error",
    direction="min",
)
