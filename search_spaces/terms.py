"""Factors of the terms of an objective: options of the rival losses, their classifier and their re-weighting."""

from __future__ import annotations

from collections.abc import Iterator

from search_spaces.domains import Choice, Factor, Interval
from silhouette.registry import TERMS

OBJECTIVES = (
    "ce", "supcon2", "ce + supcon", "ce + supcon2", "ce + proxy_nca", "ce + center",
    "logit_adjusted", "balanced_softmax", "ldam", "class_balanced", "focal", "vs",
    "logit_adjusted + 0.35*bcl", "kcl", "tsc", "paco",
    "ce + arcface", "ce + cosface", "ce + subcenter_arcface", "ce + softtriple", "ce + normalized_softmax",
    "ce + circle",
)  # fmt: skip
"""The objectives of the paper, then rivals in long tails, contrastive rivals, and rivals in metric learning."""

TERM_REASONS = {
    "ce": ("CE", "the loss that all others are compared with"),
    "logit_adjusted": (
        "logit adjustment",
        "logits shifted by τ·log π, optimal for balanced accuracy (Menon et al. 2021)",
    ),
    "balanced_softmax": ("balanced softmax", "the same with τ = 1, from the counts of the classes (Ren et al. 2020)"),
    "ldam": ("LDAM", "wider margins for rarer classes (Cao et al. 2019)"),
    "class_balanced": ("class-balanced", "weights by the effective number of samples (Cui et al. 2019)"),
    "focal": ("focal", "less weight for samples that are right already (Lin et al. 2017)"),
    "vs": ("VS", "logits shifted and scaled by class; logit adjustment is the case γ = 0 (Kini et al. 2021)"),
    "supcon": ("SupCon", "pulls samples of a class together (Khosla et al. 2020), on one view"),
    "supcon2": ("SupCon2", "the same on two views, the rival in the paper"),
    "bcl": ("BCL", "SupCon in which all classes have the same share (Zhu et al. 2022)"),
    "kcl": ("KCL", "SupCon with the same number of positives in all classes (Kang et al. 2021)"),
    "tsc": ("TSC", "KCL towards targets that are spread on the sphere (Li et al. 2022)"),
    "paco": ("PaCo", "SupCon with a centre of each class, which trains the classifier (Cui et al. 2021)"),
    "proxy_nca": ("Proxy-NCA", "a softmax over distances to proxies (Movshovitz-Attias et al. 2017)"),
    "proxy_anchor": ("Proxy-Anchor", "the hardest samples of each proxy (Kim et al. 2020)"),
    "center": ("centre loss", "distances to the own centre alone (Wen et al. 2016)"),
    "triplet": ("triplet", "a margin between the hardest pairs in a batch (Hermans et al. 2017)"),
    "arcface": ("ArcFace", "a margin in the angle to the own class vector (Deng et al. 2019)"),
    "cosface": ("CosFace", "a margin in the cosine (Wang et al. 2018)"),
    "subcenter_arcface": ("sub-centre ArcFace", "several vectors for a class (Deng et al. 2020)"),
    "softtriple": ("SoftTriple", "several vectors for a class, weighted smoothly (Qian et al. 2019)"),
    "normalized_softmax": ("normalised softmax", "cosines to class vectors without a margin (Zhai and Wu 2019)"),
    "circle": ("circle", "pairs weighted by how far they are from their optimum (Sun et al. 2020)"),
}
"""(label, what the term adds to a comparison) of each term in `silhouette.registry.TERMS`."""


def objective_label(objective: str) -> str:
    """Return an objective as papers name its terms; a term that is not ours keeps its name.

    >>> objective_label("logit_adjusted + 0.35*bcl"), objective_label("ce"), objective_label("mypkg.losses:mine")
    ('logit adjustment + 0.35·BCL', 'CE', 'mypkg.losses:mine')
    """
    return " + ".join(_term_label(*term.strip().rpartition("*")) for term in objective.split("+"))


def _term_label(weight: str, times: str, name: str) -> str:
    label = TERM_REASONS.get(name.strip(), (name.strip(), ""))[0]
    return f"{weight.strip()}·{label}" if times else label


def term_listing() -> Iterator[str]:
    """Yield the lines of `ablate list --spaces` on terms: name, label and reason, then options and needs."""
    for name, term in TERMS.items():
        label, reason = TERM_REASONS[name]
        yield f"{'term ' + name:23s} {label}: {reason}"
        needs = ["an augmentation, for two views"] if term.views == 2 else []
        needs += ["classifier=cosine or etf"] if name == "ldam" else []
        facts = [f"options {', '.join(term.options)}"] if term.options else []
        facts += [f"needs {' and '.join(needs)}"] if needs else []
        if facts:
            yield f"{'':23s} {'; '.join(facts)}"


TERM_FACTORS = (
    Factor(
        "objective",
        "objective",
        OBJECTIVES,
        Choice((*OBJECTIVES, "ce + proxy_anchor", "ce + triplet", "bcl", "ce + kcl", "ce + tsc")),
        "What the paper compares; changed logits and contrastive losses (two views) for long tails; losses of metric "
        "learning beside cross-entropy, since they do not train the classifier.",
    ),
    Factor(
        "temperature",
        "τ_con",
        (0.05, 0.07, 0.1, 0.2, 0.5),
        Interval(0.02, 1.0, log=True),
        "Of the contrastive terms; their papers use 0.07 to 0.5, and below 0.02 half precision overflows.",
    ),
    Factor(
        "logit_tau",
        "τ_adj",
        (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
        Interval(0.0, 3.0),
        "1 is Bayes-optimal for balanced accuracy; Menon et al. try up to 3, and Kini et al. use 0.75 and 1.25.",
    ),
    Factor(
        "vs_gamma",
        "γ_vs",
        (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
        Interval(0.0, 0.5),
        "Kini et al. use 0.05 to 0.2 on long-tailed CIFAR; 0.5 divides the logits of a class 100 times rarer by 10.",
    ),
    Factor(
        "ldam_margin",
        "LDAM margin",
        (0.1, 0.3, 0.5, 0.8),
        Interval(0.05, 1.0),
        "Cao et al. set 0.5 for the rarest class; cosines of different classes rarely differ by more than 1.",
    ),
    Factor(
        "cb_beta",
        "β_cb",
        (0.9, 0.99, 0.999, 0.9999),
        Interval(0.0, 0.99999),
        "Cui et al. try 0.9 to 0.9999; 0 weights all classes alike, 0.9999 nearly by the inverse of their counts.",
    ),
    Factor(
        "focal_gamma",
        "γ_focal",
        (0.0, 0.5, 1.0, 2.0, 5.0),
        Interval(0.0, 5.0),
        "The values of Lin et al., 0 to 5.",
    ),
    Factor(
        "contrast_positives",
        "k_pos",
        (1, 3, 6, 10),
        Interval(1, 32, log=True, integer=True),
        "Kang et al. and Li et al. use 6; more than 32 samples of one class are rarely in a batch.",
    ),
    Factor(
        "tsc_weight",
        "target weight",
        (0.2, 0.5, 1.0, 2.0),
        Interval(0.05, 5.0, log=True),
        "1 is a target that counts as much as all positives of a sample together; 5 leaves the positives little.",
    ),
    Factor(
        "paco_alpha",
        "α_paco",
        (0.01, 0.02, 0.05, 0.1, 0.3),
        Interval(0.005, 1.0, log=True),
        "Cui et al. use 0.02 to 0.05 with a long queue; at 1 a sample counts as much as the centre of its class.",
    ),
    Factor(
        "proxy_scale",
        "proxy scale",
        (8.0, 16.0, 32.0, 64.0),
        Interval(4.0, 128.0, log=True),
        "Kim et al. use 32; larger scales look at the hardest samples alone.",
    ),
    Factor(
        "margin",
        "triplet margin",
        (0.05, 0.1, 0.2, 0.5),
        Interval(0.01, 1.0),
        "Between distances of embeddings of length 1, which are at most 2; 0.2 is usual.",
    ),
    Factor(
        "margin_scale",
        "margin scale",
        (8.0, 16.0, 30.0, 64.0),
        Interval(4.0, 128.0, log=True),
        "64 is for thousands of identities; few classes need less.",
    ),
    Factor(
        "arcface_margin",
        "angular margin",
        (0.1, 0.3, 0.5),
        Interval(0.0, 1.0),
        "Deng et al. use 0.5; with few classes a margin of 1 radian is hard to meet.",
        "rad",
    ),
    Factor(
        "cosface_margin",
        "cosine margin",
        (0.1, 0.2, 0.35, 0.5),
        Interval(0.0, 0.8),
        "Wang et al. use 0.35 and find no convergence at large margins.",
    ),
    Factor(
        "sub_centers",
        "sub-centres",
        (1, 3, 10),
        Interval(1, 16, log=True, integer=True),
        "Deng et al. use 3; with one it is ArcFace.",
    ),
    Factor(
        "softtriple_centers",
        "SoftTriple centres",
        (1, 2, 5, 10),
        Interval(1, 32, log=True, integer=True),
        "Qian et al. use 2 to 10; with one there is no choice among the centres of a class.",
    ),
    Factor(
        "softtriple_scale",
        "SoftTriple scale",
        (5.0, 10.0, 20.0, 40.0),
        Interval(2.0, 80.0, log=True),
        "Qian et al. use 20.",
    ),
    Factor(
        "softtriple_gamma",
        "γ_soft",
        (0.05, 0.1, 0.3, 1.0),
        Interval(0.02, 2.0, log=True),
        "Qian et al. use 0.1; small values take the nearest centre of a class alone.",
    ),
    Factor(
        "softtriple_margin",
        "SoftTriple margin",
        (0.0, 0.01, 0.1, 0.3),
        Interval(0.0, 0.5),
        "Qian et al. use 0.01.",
    ),
    Factor(
        "softmax_temperature",
        "τ_softmax",
        (0.03, 0.05, 0.1, 0.2),
        Interval(0.02, 1.0, log=True),
        "Of normalized_softmax; Zhai and Wu use 0.05, the inverse of a scale of 20.",
    ),
    Factor(
        "circle_margin",
        "circle margin",
        (0.1, 0.25, 0.4),
        Interval(0.05, 0.6),
        "Sun et al. use 0.25 for faces and 0.4 for retrieval.",
    ),
    Factor(
        "circle_scale",
        "circle scale",
        (20.0, 80.0, 128.0, 256.0),
        Interval(10.0, 512.0, log=True),
        "Sun et al. use 80 for retrieval, 128 and 256 for persons and faces.",
    ),
    Factor(
        "loss_lr_scale",
        "proxy rate",
        (1.0, 10.0, 100.0),
        Interval(0.1, 1000.0, log=True),
        "Learning rate of proxies over that of the network; Kim et al. use 100.",
    ),
    Factor(
        "classifier",
        "classifier",
        ("linear", "cosine", "etf"),
        Choice(("linear", "cosine", "etf")),
        "All that there are; ldam needs cosines, and etf at least as many features as classes less one.",
    ),
    Factor(
        "classifier_scale",
        "cosine scale",
        (10.0, 20.0, 30.0, 64.0),
        Interval(5.0, 100.0, log=True),
        "Cao et al. use 30; with K classes a softmax of cosines needs about log K to be sure.",
    ),
    Factor(
        "reweight",
        "re-weighting",
        ("none", "drw"),
        Choice(("none", "drw")),
        "All that there are; drw is the schedule of Cao et al., for every term with one value per sample.",
    ),
    Factor(
        "drw_epoch",
        "re-weighted from",
        (0, 80, 160, 180),
        Interval(0, 1000, integer=True),
        "160 of 200 in Cao et al., where the rate falls; it must be below the epochs of the run.",
        "epochs",
    ),
    Factor(
        "drw_beta",
        "β_drw",
        (0.9, 0.99, 0.999, 0.9999),
        Interval(0.0, 0.99999),
        "As β of class_balanced; Cao et al. use 0.9999.",
    ),
)
"""Factors of the terms, with the reason for their bounds."""
