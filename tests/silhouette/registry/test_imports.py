"""The digest of a module of a person's own covers the modules beside it that it imports."""

import subprocess
import sys

CODE = "from silhouette.registry import plugins_of; print(plugins_of(['nets:tiny'])['nets:tiny']['source_sha256'])"


def digest(folder):
    """As another process finds it, which reads the files again."""
    found = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    return found.stdout.strip()


def test_a_module_that_is_imported_counts_and_others_do_not(tmp_path):
    (tmp_path / "nets.py").write_text("from layers import wide\n")
    (tmp_path / "layers.py").write_text("def f():\n    import parts.small\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/small.py").write_text("import numpy, silhouette\n")
    (tmp_path / "other.py").write_text("import nets\n")
    first = digest(tmp_path)
    (tmp_path / "other.py").write_text("changed = True\n")
    assert digest(tmp_path) == first
    for changed in ("layers.py", "parts/small.py"):
        before = digest(tmp_path)
        (tmp_path / changed).write_text((tmp_path / changed).read_text() + "\n")
        assert digest(tmp_path) != before


def test_modules_that_import_each_other_end(tmp_path):
    (tmp_path / "nets.py").write_text("import layers\n")
    (tmp_path / "layers.py").write_text("import nets\n")
    assert len(digest(tmp_path)) == 12
