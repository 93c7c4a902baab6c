"""All rival losses on the long tail of MNIST, from its real IDX files: a study from the plan to the report."""

import json

import pytest

from silhouette.data.cache import raw_folder
from silhouette.data.imbalance import long_tail_counts
from silhouette.registry import TERMS, parse_objective
from silhouette.results import Store

STUDY = """
from ablations import Study

RIVALS = {
    "CE": {},
    "CE + Sil": {"lambda_sil": 0.1, "reduction": "macro"},
    "CE + DRW": {"reweight": "drw"},
    "CE + Sil + DRW": {"lambda_sil": 0.1, "reweight": "drw"},
    "ETF": {"classifier": "etf"},
    "LDAM + DRW": {"objective": "ldam", "classifier": "cosine", "reweight": "drw"},
    "logit adjustment": {"objective": "logit_adjusted"},
    "balanced softmax": {"objective": "balanced_softmax"},
    "class-balanced": {"objective": "class_balanced"},
    "focal": {"objective": "focal"},
    "VS": {"objective": "vs"},
    "BCL": {"objective": "logit_adjusted + 0.35*bcl"},
    "KCL": {"objective": "ce + kcl"},
    "TSC": {"objective": "ce + tsc"},
    "PaCo": {"objective": "paco"},
    "SupCon": {"objective": "ce + supcon"},
    "SupCon2": {"objective": "ce + supcon2"},
    "Proxy-NCA": {"objective": "ce + proxy_nca"},
    "Proxy-Anchor": {"objective": "ce + proxy_anchor"},
    "centre": {"objective": "ce + center"},
    "triplet": {"objective": "ce + triplet"},
    "ArcFace": {"objective": "ce + arcface"},
    "CosFace": {"objective": "ce + cosface"},
    "sub-centre ArcFace": {"objective": "ce + subcenter_arcface"},
    "SoftTriple": {"objective": "ce + softtriple"},
    "normalised softmax": {"objective": "ce + normalized_softmax"},
    "circle": {"objective": "ce + circle"},
}
STUDY = Study(
    question="Do the rival losses run on a long tail?",
    treatments=RIVALS,
    baseline="CE",
    fixed={
        "dataset": "mnist", "image_size": 14, "train_fraction": 0.05, "imbalance": "long_tail",
        "imbalance_factor": 20, "class_order": "fixed", "transform": "crop_flip", "encoder": "small_cnn", "width": 4,
        "batch_size": 32, "epochs": 10, "drw_epoch": 5,
    },
    seeds=(0,),
    metric="test_macro_top1",
)
"""


@pytest.mark.slow
def test_every_rival_trains_on_the_long_tail_of_mnist(ablate, tmp_path):
    files = raw_folder() / "mnist"
    if not files.is_dir():
        pytest.skip(f"needs the IDX files of MNIST in {files}; SILHOUETTE_DATA names another folder")
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/mnist").symlink_to(files)
    done = ablate("run", ablate.study(STUDY, "rivals"), timeout=540, SILHOUETTE_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    rows = Store(str(tmp_path / "results"), "rivals").load().to_pylist()
    assert len(rows) == 27
    trained = {name for row in rows for name in parse_objective(json.loads(row["config"])["objective"])}
    assert trained == set(TERMS)
    for row in rows:
        counts = row["class_train"]
        assert counts == long_tail_counts(10, counts[0], 20), row["arm"]
        assert {term["term"] for term in row["terms"]} - {"sil"} == set(
            parse_objective(json.loads(row["config"])["objective"])
        )
        assert row["test_macro_top1"] > 0.2, row["arm"]  # guessing has 0.1
    report = ablate("report", "rivals.py")
    assert report.returncode == 0, report.stderr
    text = (tmp_path / "results/rivals/report/report.md").read_text()
    assert all(row["arm"] in text for row in rows)
