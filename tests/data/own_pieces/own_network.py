"""Does the person's own loss help the person's own network on the person's own data? Prediction: no."""

from ablations import Study

STUDY = Study(
    question="Does the pull to class centres help?",
    factors={"objective": ("ce", "ce + 0.5*own_pieces.losses:pull"), "encoder.depth": (1, 2)},
    baseline={"objective": "ce", "encoder.depth": 1},
    fixed={
        "dataset": "own_pieces.data:stripes",
        "dataset.noise": 60.0,
        "encoder": "own_pieces.nets:dense",
        "metrics": ("own_pieces.metrics:within",),
        "epochs": 6,
    },
    seeds=range(3),
    metric="test_top1",
    keep="embeddings",
)
