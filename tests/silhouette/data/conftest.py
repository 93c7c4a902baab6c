import pytest

from silhouette.data import cache, splits


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """The folder of all datasets, empty, as a new process sees it."""
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path / "data"))
    splits._load.cache_clear()
    cache._checked.cache_clear()
    return tmp_path / "data"
