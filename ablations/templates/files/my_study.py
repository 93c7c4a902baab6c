"""Does the silhouette term help on digits? Change this file to ask your own question; its name is the study's name.

ablate plan my_study.py      shows the arms and the expected time; runs nothing
ablate run my_study.py       trains what has no record yet; run it again after any interruption
ablate report my_study.py    writes results/my_study/report/index.html

Cost: 10 trials of 2 to 5 s, about a minute on 2 cores without a GPU.
"""

from ablations import Study

STUDY = Study(
    # one sentence, which the report answers
    question="Does adding the silhouette term to cross-entropy help on handwritten digits?",
    # what is compared: every combination of these values is an arm. `ablate list --spaces` shows all factors
    factors={"lambda_sil": (0.0, 0.2)},
    # the arm that the others are compared with
    baseline={"lambda_sil": 0.0},
    # settings that all arms share, where they differ from the defaults
    fixed={"dataset": "digits", "encoder": "small_cnn", "epochs": 10},
    # repetitions. The same seeds are used in every arm, so that arms are compared pair by pair
    seeds=range(5),
    # what is measured on test data, as a fraction
    metric="test_top1",
    # the smallest difference that matters to you, with your reason: here half a point, since smaller gains would not
    # pay for the longer step. Without it the report calls nothing equivalent
    sesoi=0.005,
)
