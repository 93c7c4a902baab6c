"""Checkpoints of a real training: the newest two are kept, and a damaged one is passed over."""

from ablations.state.checkpoints import Checkpoints
from silhouette.config import make_config
from silhouette.results import Store
from silhouette.training.run import Training


def test_a_damaged_checkpoint_falls_back_to_the_older_one(tmp_path):
    config = make_config({"width": 4, "epochs": 4})
    whole = Training(config, 3)
    checkpoints = Checkpoints(Store(str(tmp_path), "s"), "trial", every=0)
    for _ in range(3):
        whole.step()
        checkpoints.save(whole.epoch, {"training": whole.state_dict()})
    whole.step()
    folder = tmp_path / "s/checkpoints/trial"
    assert sorted(path.name for path in folder.iterdir()) == ["000002.pt", "000003.pt"]
    (folder / "000003.pt").write_bytes((folder / "000003.pt").read_bytes()[:500])
    resumed = Training(config, 3)
    resumed.load_state_dict(checkpoints.newest()["training"])
    assert resumed.epoch == 2
    while not resumed.done:
        resumed.step()
    assert resumed.result()["test_loss"] == whole.result()["test_loss"]
    (folder / "000002.pt").write_bytes(b"")
    assert checkpoints.newest() is None
