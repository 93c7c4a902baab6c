"""A zip file whose bytes depend on its content alone, and the safe reading of one that somebody else made."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from ablations.errors import StudyError

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file: the first that a zip can have."""
MAX_FILES = 20_000
MAX_FILE_BYTES = 1 << 30
MAX_BYTES = 4 << 30
"""Of all files together, unpacked."""
CHUNK = 1 << 20


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files, in the order of their names; the same files give the same bytes.

    >>> pack({"b": b"2", "a": b"1"}) == pack({"a": b"1", "b": b"2"})
    True
    """
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return sink.getvalue()


def open_archive(path: Path) -> zipfile.ZipFile:
    """A zip file, opened for reading.

    Raises:
        StudyError: If it is none.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise StudyError(f"FILE: no such file, got {str(path)!r}") from None
    except (zipfile.BadZipFile, IsADirectoryError, NotImplementedError, ValueError) as error:
        raise StudyError(f"FILE: must be a bundle, a zip file ({error}), got {str(path)!r}") from None


def unsafe_members(archive: zipfile.ZipFile) -> Iterator[str]:
    """One line for each member that must not be unpacked: a path that leaves the folder, a link, too many bytes."""
    members, seen = archive.infolist(), set[str]()
    if len(members) > MAX_FILES:
        yield f"{len(members)} files: at most {MAX_FILES} are unpacked"
        return
    for member in members:
        if reason := _reason(member):
            yield f"{member.filename!r}: {reason}"
        elif (folded := member.filename.casefold()) in seen:
            yield f"{member.filename!r}: there twice, or as a name that differs in capitals only"
        else:
            seen.add(folded)
    if (total := sum(member.file_size for member in members)) > MAX_BYTES:
        yield f"{total} bytes unpacked: at most {MAX_BYTES} are"


def _reason(member: zipfile.ZipInfo) -> str | None:
    path, mode = PurePosixPath(member.filename), member.external_attr >> 16
    if member.orig_filename != member.filename or not member.filename.isprintable():
        return "not a plain name"
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        return "leads out of the folder"
    if member.filename != path.as_posix():
        return "not a plain file"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a link or a special file"
    if member.flag_bits & 0x1:
        return "encrypted"
    return f"{member.file_size} bytes: at most {MAX_FILE_BYTES}" if member.file_size > MAX_FILE_BYTES else None


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The content of a member of at most `limit` bytes.

    Raises:
        ValueError: If it is damaged or larger.
    """
    try:
        with archive.open(name) as source:
            data = source.read(limit + 1)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # zlib.error and what else a damaged stream raises
        raise ValueError(f"damaged ({error})") from None
    if len(data) > limit:
        raise ValueError(f"more than {limit} bytes")
    return data


def unpack_member(archive: zipfile.ZipFile, name: str, folder: Path | None) -> str:
    """Read a member to its end, and write it below a folder if there is one; returns its SHA-256.

    Raises:
        ValueError: If it is damaged, or larger than it says.
    """
    sums, size, target = hashlib.sha256(), 0, None if folder is None else folder / name
    sink = None if target is None else _create(target)
    try:
        with archive.open(name) as source:
            while chunk := source.read(CHUNK):
                sums.update(chunk)
                if (size := size + len(chunk)) > MAX_FILE_BYTES:
                    raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
                if sink is not None:
                    sink.write(chunk)
    except OSError:
        raise  # a full disk is no fault of the file
    except Exception as error:  # zipfile and zlib have no common base of what a damaged stream raises
        raise ValueError(f"damaged ({error})") from None
    finally:
        if sink is not None:
            sink.close()
    return sums.hexdigest()


def _create(target: Path) -> IO[bytes]:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.open("xb")
