"""Where results are kept: a local folder or a `pyarrow.fs` URI, parsed once, whose keys are never shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from pyarrow import fs as pafs

from silhouette.errors import InputError, without_secret


class StoreError(InputError):
    """A results location that cannot be used; the message is one line for a person."""


def local_folder(given: str | Path | ResultsLocation) -> Path | None:
    """The folder of this machine that a location names; None for an object store. Connects to nothing.

    >>> local_folder("file:///data/x"), local_folder("s3://bucket/x")
    (PosixPath('/data/x'), None)
    """
    text = str(given)
    if "://" not in text:
        return Path(text).absolute()
    parts = urlsplit(text)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


class ResultsLocation:
    """A folder or URI for the results of studies.

    The URI of an object store may contain its keys. `str()` and `repr()` hide them; only workers get `uri`.

    Args:
        given: A local folder or a `pyarrow.fs` URI (`s3://…`, `gs://…`).

    Raises:
        StoreError: If the URI is not understood.

    >>> str(ResultsLocation("s3://key:secret@bucket/x?region=eu-west-1"))
    's3://bucket/x?region=eu-west-1'
    """

    def __init__(self, given: str | Path) -> None:
        self._given = str(given)
        folder = local_folder(self._given)
        self.uri = self._given if folder is None or "://" in self._given else folder.as_posix()
        try:
            self.fs, base = pafs.FileSystem.from_uri(self.uri)
        except (pa.ArrowInvalid, OSError) as error:
            why = without_secret(f"({error}), got {self._given!r}")
            raise StoreError(f"--results: not a folder or a pyarrow.fs URI {why}") from None
        self.path = base.rstrip("/")
        self.local = isinstance(self.fs, pafs.LocalFileSystem)

    def __str__(self) -> str:
        """The location as it was given, without its keys."""
        return without_secret(self._given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def shown(self) -> str:
        """The absolute location, the same on every node, without its keys."""
        return without_secret(self.uri)
