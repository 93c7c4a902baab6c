"""Which penalty is best for a linear classifier of digits? The training is digits_experiment.py beside this file.

ablate plan my_experiment.py      shows the arms and the expected time; runs nothing
ablate run my_experiment.py       trains what has no record yet; run it again after any interruption
ablate report my_experiment.py    writes results/my_experiment/report/index.html

Cost: 15 trials of less than a second each.
"""

from ablations import Study

STUDY = Study(
    # one sentence, which the report answers
    question="Which penalty gives a linear classifier the fewest errors on handwritten digits?",
    # the training, as module:Class; its Config says what a study can set
    experiment="digits_experiment:Digits",
    # what is compared, and with what
    factors={"penalty": ("l2", "l1", "elasticnet")},
    baseline={"penalty": "l2"},
    # settings that all arms share, where they differ from the defaults
    fixed={"epochs": 8},
    # repetitions. The same seeds are used in every arm, so that arms are compared pair by pair
    seeds=range(5),
    # what the training reports, which direction of it is better, and how the report shows it: fractions as percent
    metric="test_error",
    direction="min",
    metric_label="error rate on test data",
    unit="%",
    # the smallest difference that matters to you, with your reason: here one point
    sesoi=0.01,
)
