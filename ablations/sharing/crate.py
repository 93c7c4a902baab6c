"""What an archive wants to know of a bundle: RO-Crate 1.1 metadata, a deposit for Zenodo, and a page to read first."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FILL_IN = "FILL IN"
"""Begins every value that only the author can give."""
CRATE = "https://w3id.org/ro/crate/1.1"
FORMATS = {
    "parquet": "application/vnd.apache.parquet",
    "py": "text/x-python",
    "md": "text/markdown",
    "tex": "application/x-tex",
    "json": "application/json",
}
"""Media types by ending that Python does not know on every system."""
CONTENTS = {
    "results": "records (Parquet), plan and frozen plan, report",
    "study": "the study file and the modules beside it that it imports",
    "plugins": "sources of the packages that the study names",
    "environment.json": "versions and devices of the records, and of the machine that made this bundle",
    "data.json": "digests of the data",
}


@dataclass(frozen=True)
class About:
    """What the metadata say of a study.

    Attributes:
        study: Its name.
        question: What it asks.
        date: Day of the last record, `YYYY-MM-DD`.
        software: Version of this project.
        interim: What is still missing, in words; empty for a complete study.
        trials: Number of finished trials.
    """

    study: str
    question: str
    date: str
    software: str
    interim: str
    trials: int

    @property
    def title(self) -> str:
        """A title for an archive."""
        return f"{'INTERIM: ' if self.interim else ''}{self.study}: {self.question}"

    @property
    def description(self) -> str:
        """What is in the bundle, in two or three sentences."""
        kind = "trial" if self.trials == 1 else "trials"
        text = (
            f"Plan, {self.trials} finished {kind}, report, sources and environment of the study {self.study!r}, made "
            f"with Soft Silhouette ablations {self.software}. `ablate verify` checks every file, rebuilds the report."
        )
        return f"Interim: {self.interim}. {text}" if self.interim else text


def crate_metadata(about: About, names: Iterable[str]) -> dict[str, Any]:
    """The content of `ro-crate-metadata.json` (RO-Crate 1.1).

    Args:
        about: The study.
        names: Paths of all other files of the bundle.
    """
    files = [{"@id": name, "@type": "File", "name": name, "encodingFormat": _format(name)} for name in sorted(names)]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": about.title,
        "description": about.description,
        "datePublished": about.date,
        "author": {"@id": "#author"},
        "license": {"@id": "#license"},
        "hasPart": [{"@id": file["@id"]} for file in files],
        "mentions": {"@id": "#software"},
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": CRATE},
        "about": {"@id": "./"},
    }
    return {"@context": f"{CRATE}/context", "@graph": [descriptor, root, *files, *_contextual(about)]}


def _contextual(about: About) -> list[dict[str, Any]]:
    return [
        {"@id": "#author", "@type": "Person", "name": f"{FILL_IN}: the author; use the ORCID as @id"},
        {
            "@id": "#license",
            "@type": "CreativeWork",
            "name": f"{FILL_IN}: the licence of these results; use its URL as @id",
            "description": f"{FILL_IN}: a sentence on what the licence allows",
        },
        {
            "@id": "#software",
            "@type": "SoftwareApplication",
            "name": "Soft Silhouette ablations",
            "version": about.software,
        },
    ]


def _format(name: str) -> str:
    return FORMATS.get(name.rpartition(".")[2]) or mimetypes.guess_type(name, strict=True)[0] or "text/plain"


def zenodo_metadata(about: About) -> dict[str, Any]:
    """The content of `zenodo.json`: a deposit for Zenodo's REST API; the author fills in what is marked."""
    return {
        "metadata": {
            "upload_type": "dataset",
            "title": about.title,
            "description": about.description,
            "creators": [
                {"name": f"{FILL_IN}: Family name, Given names", "affiliation": f"{FILL_IN}", "orcid": f"{FILL_IN}"}
            ],
            "access_right": "open",
            "license": f"{FILL_IN}: such as cc-by-4.0",
            "publication_date": about.date,
            "keywords": ["ablation study", "replication", "soft silhouette loss"],
            "notes": f"Every value that begins with {FILL_IN} is for the author to give before the deposit.",
        }
    }


def readme(about: About, parts: Iterable[str], notes: Iterable[str]) -> str:
    """The page of the bundle that a person reads first.

    Args:
        about: The study.
        parts: Files and folders at the top of the bundle.
        notes: What a reader should know, one line each.
    """
    rows = [f"| `{part}` | {CONTENTS[part]} |" for part in CONTENTS if part in {*parts}]
    lines = [
        f"# {about.title}",
        "",
        *(
            [f"**Interim: {about.interim}.** The report gives no verdict on what is not finished.", ""]
            * bool(about.interim)
        ),
        about.description,
        "",
        "| path | what it is |",
        "|---|---|",
        *rows,
        "| `manifest.json` | SHA-256 of every file |",
        "| `ro-crate-metadata.json`, `zenodo.json` | metadata for an archive |",
        "",
        f"Values that begin with {FILL_IN} in `ro-crate-metadata.json` and `zenodo.json` are for the author. Fill them",
        "in at the archive or in copies: a bundle in which a file was changed no longer matches its manifest.",
        "",
        "```bash",
        "ablate verify FILE.zip                           # checks every file, rebuilds the report, runs no code",
        "ablate verify FILE.zip --rerun TRIAL_ID --trust  # trains a trial again with the code of this bundle",
        f"ablate report {about.study} --results results     # in the unpacked folder",
        "```",
        *(["", "## Notes", "", *(f"- {note}" for note in notes)] if (notes := list(notes)) else []),
        "",
    ]
    return "\n".join(lines)
