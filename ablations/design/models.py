"""The base of everything that a study file declares: frozen, with known fields only."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from silhouette.errors import instead


class Declared(BaseModel):
    """A frozen pydantic model that names a misspelt field and the field it resembles."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    place: ClassVar[str] = ""
    """Where in a study the model stands, before the names of its fields."""

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, value in values.items():
                if name not in cls.model_fields:
                    what = instead(str(name), cls.model_fields)
                    raise ValueError(f"{cls.place}{name}: {cls.__name__} has no such field; {what}, got {value!r}")
        return values


def as_list(field: str, value: Any) -> tuple[Any, ...]:
    """A list, tuple or range as a tuple.

    Raises:
        ValueError: If it is anything else, such as a single number.

    >>> as_list("seeds", range(3))
    (0, 1, 2)
    """
    if isinstance(value, range | list | tuple):
        return tuple(value)
    count = value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 5
    example = {"seeds": f"range({count})", "looks": "[5, 10]"}.get(field.rpartition(".")[2], "[0.1, 0.2]")
    raise ValueError(f"{field}: give a list, for example {example}, got {value!r}")
