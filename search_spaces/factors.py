"""All factors: each field of `TrialConfig` that a study can vary, once, with the reason for its bounds."""

from __future__ import annotations

from search_spaces.domains import Choice, Factor, Interval
from search_spaces.terms import TERM_FACTORS

TEMPERATURES = (0.01, 0.03, 0.1, 0.3, 1.0)

_LOSS = (
    Factor(
        "lambda_sil",
        "λ",
        (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0),
        Interval(1e-3, 2.0, log=True),
        "0 is the supervised loss alone; above 2 the term outweighs cross-entropy from the first step.",
    ),
    Factor(
        "tau_s",
        "τ_s",
        TEMPERATURES,
        Interval(1e-3, 3.0, log=True),
        "Distances of normalised embeddings lie in [0, 2]: 0.001 is a hard minimum, 3 an average of classes.",
    ),
    Factor(
        "tau_m",
        "τ_m",
        TEMPERATURES,
        Interval(1e-3, 3.0, log=True),
        "As τ_s: 0.001 is the hard maximum of the classical silhouette; above 3 the denominator is constant.",
    ),
    Factor(
        "distance",
        "distance",
        ("euclidean", "sqeuclidean", "cosine"),
        Choice(("euclidean", "sqeuclidean", "cosine")),
        "All that the loss has; squared distances are smooth at 0, and cosine is half of them for length 1.",
    ),
    Factor(
        "softmin",
        "softmin",
        ("sum", "mean"),
        Choice(("sum", "mean")),
        "The paper sums over classes, which lowers the minimum by τ_s log(K - 1); the mean has no such bias.",
    ),
    Factor(
        "reduction",
        "reduction",
        ("mean", "macro", "balanced"),
        Choice(("mean", "macro", "balanced")),
        "All that the loss has; macro weighs the classes of a batch equally, balanced all classes over all batches.",
    ),
    Factor(
        "class_prior",
        "class prior",
        (-1.0, 0.0, 0.5, 1.0),
        Interval(-2.0, 2.0),
        "Power of class counts in the soft minimum: 0 is the paper, 1 balanced softmax; beyond 2 rare classes vanish.",
    ),
    Factor(
        "class_memory",
        "memory",
        ("none", "momentum", "queue"),
        Choice(("none", "momentum", "queue")),
        "All that there are; with a memory the silhouette also sees the classes that a batch lacks.",
    ),
    Factor(
        "memory_momentum",
        "memory momentum",
        (0.0, 0.5, 0.9, 0.99),
        Interval(0.0, 0.999),
        "0 keeps the last batch of a class; above 0.999 a mean is older than the weights that it is compared with.",
    ),
    Factor(
        "memory_size",
        "memory size",
        (1, 4, 8, 32),
        Interval(1, 256, log=True, integer=True),
        "1 is the last sample of a class; above 256 rare classes are remembered over many epochs.",
        "images",
    ),
    Factor(
        "memory_least",
        "memory below",
        (1, 2, 4, 8),
        Interval(1, 32, log=True, integer=True),
        "1 remembers absent classes alone; few samples say little of a class, and above 32 the batch is hardly used.",
        "images",
    ),
)

_DATA = (
    Factor(
        "batch_size",
        "batch size",
        (16, 32, 64, 128, 256),
        Interval(8, 1024, log=True, integer=True),
        "Below 8 few samples share their class with another; above 1024 a small dataset gives one step per epoch.",
        "images",
    ),
    Factor(
        "sampler",
        "sampler",
        ("uniform", "balanced", "pk"),
        Choice(("uniform", "balanced", "pk")),
        "All that there are; pk gives every sample others of its class, balanced draws all classes equally often.",
    ),
    Factor(
        "samples_per_class",
        "K",
        (2, 4, 8),
        Interval(2, 32, log=True, integer=True),
        "K of P×K batches (P = batch size / K): 2 is the smallest useful K; above 32 a batch has few classes.",
        "images",
    ),
    Factor(
        "imbalance",
        "imbalance",
        ("none", "long_tail", "step"),
        Choice(("none", "long_tail", "step")),
        "Balanced and long-tailed training data; the test data are not changed.",
        text="{value}×{qualifier}",
        qualifier="imbalance_factor",
    ),
    Factor(
        "imbalance_factor",
        "imbalance factor",
        (5.0, 10.0, 20.0, 50.0, 100.0),
        Interval(2.0, 500.0, log=True),
        "Largest over smallest class; 100 is the usual largest value (CIFAR-LT), 500 leaves single images. 1 is "
        "imbalance=none.",
    ),
    Factor(
        "label_noise",
        "label noise",
        (0.0, 0.1, 0.2, 0.4),
        Interval(0.0, 0.6),
        "Share of training labels replaced; above 0.6 most labels are wrong in many classes.",
    ),
    Factor(
        "train_fraction",
        "training share",
        (0.1, 0.25, 0.5, 1.0),
        Interval(0.01, 1.0, log=True),
        "Share of the training data used; below 0.01 the classes of small datasets have single images.",
    ),
    Factor(
        "subset",
        "subset",
        ("seed", "fixed"),
        Choice(("seed", "fixed")),
        "Drawn by seed, the spread between seeds includes that of the images kept; the CIFAR-LT papers fix them.",
        text="subset by {value}",
    ),
    Factor(
        "val_profile",
        "validation profile",
        ("balanced", "train"),
        Choice(("balanced", "train")),
        "Balanced validation data show more of the tail than training has; `train` has the profile of training.",
        text="validation {value}",
    ),
    Factor(
        "transform",
        "augmentation",
        ("none", "crop_flip"),
        Choice(("none", "crop_flip", "autoaugment", "randaugment")),
        "The two learned policies are for natural images, so the grid does not include them.",
    ),
)

_NETWORK = (
    Factor(
        "encoder",
        "encoder",
        ("small_cnn", "mlp", "resnet32", "resnet18"),
        Choice(("small_cnn", "mlp", "resnet32", "resnet18", "resnet50")),
        "Two networks that train in seconds, that of the CIFAR-LT papers, and the residual networks of the paper.",
    ),
    Factor(
        "width",
        "width",
        (4, 8, 16, 32, 64),
        Interval(2, 256, log=True, integer=True),
        "Channels of the first layer of the small network; 2 still learns digits, 256 is as slow as a ResNet.",
    ),
    Factor(
        "embedding_dim",
        "embedding size",
        (16, 32, 64, 128),
        Interval(2, 2048, log=True, integer=True),
        "Dimension of the projection head, in which the silhouette is measured.",
    ),
)

_OPTIMISER = (
    Factor(
        "lr",
        "learning rate",
        (3e-4, 1e-3, 3e-3, 1e-2),
        Interval(1e-5, 1.0, log=True),
        "AdamW on small networks works from 1e-4 to 1e-2; SGD needs larger values.",
    ),
    Factor(
        "weight_decay",
        "weight decay",
        (0.0, 1e-4, 1e-3, 1e-2),
        Interval(1e-6, 0.1, log=True),
        "0 is off; above 0.1 AdamW shrinks the weights faster than it fits them.",
    ),
    Factor(
        "optimizer",
        "optimizer",
        ("adamw", "sgd"),
        Choice(("adamw", "sgd")),
        "All that there are; their best learning rates differ tenfold, so tune each before a comparison.",
    ),
    Factor(
        "nesterov",
        "Nesterov",
        (True, False),
        Choice((True, False)),
        "The two forms of momentum in SGD; most published code for long tails uses the plain one.",
    ),
    Factor(
        "decay_all",
        "decay of all weights",
        (False, True),
        Choice((False, True)),
        "Published code for long tails decays biases and normalisation too; recent recipes do not.",
    ),
    Factor(
        "lr_factor",
        "lr factor",
        (0.01, 0.1),
        Interval(1e-3, 0.5, log=True),
        "Of the step schedule: 0.1 as for ResNet, 0.01 as for CIFAR-LT; below 0.001 the last epochs train nothing.",
    ),
    Factor(
        "epochs",
        "epochs",
        (10, 30, 100),
        Interval(1, 1000, log=True, integer=True),
        "The budget of a run; equal in every arm of a study, and never tuned.",
        "epochs",
    ),
    Factor(
        "vary",
        "source of chance",
        ("all", "init", "order", "augment", "split", "class_order", "subset"),
        Choice(("all", "init", "order", "augment", "split", "class_order", "subset")),
        "All sources of randomness; one at a time shows where the spread between seeds comes from.",
        text="varying {value}",
    ),
)

FACTORS = {factor.field: factor for factor in (*_LOSS, *TERM_FACTORS, *_DATA, *_NETWORK, *_OPTIMISER)}
"""Every factor by its field."""

TAU = Factor(
    "tau_s",
    "τ",
    TEMPERATURES,
    Interval(1e-3, 3.0, log=True),
    "Both temperatures as one, as the paper sets them; the bounds of each.",
    tied=("tau_m",),
)

SEARCHABLE = {**FACTORS, "tau": TAU}
"""Factors that a search can tune, by name: all of the above, and `tau` for both temperatures."""
