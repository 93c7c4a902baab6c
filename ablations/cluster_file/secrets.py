"""Keys that must not stand in a cluster file, known by their form or by the name of their field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ablations.cluster_file.yaml_lines import Got, Path, at, scalars

FORMS = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{20,}|\bhf_[A-Za-z]{20,}"
    r"|(?i:secret_access_key|session_token|password|api_key)\s*[=:]\s*\S|\bsk-[A-Za-z0-9_-]{20,}"
)
NAMES = re.compile(r"(?i)(secret|password|secret_access_key|session_token|private_key|api_?key)$")


def no_secrets(config: Any) -> Iterator[tuple[Path, Any, str]]:
    """Keys, passwords and credentials; shown by their first four characters only."""
    for path, value in scalars(config):
        named = bool(path) and isinstance(path[-1], str) and NAMES.search(path[-1]) and path[-1] != "ssh_private_key"
        if isinstance(value, str) and value and (named or FORMS.search(value)):
            todo = "take it out and revoke it; machines get their rights from their profile or account"
            yield path, Got(f"{value[:4]}…"), todo
    for name in ("aws_credentials", "gcp_credentials"):
        if at(config, "provider", name) is not None:
            todo = "take them out; machines get their rights from their profile or account"
            yield ("provider", name), Got("credentials"), todo
