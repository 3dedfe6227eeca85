"""The configuration reference as Markdown, generated from the models so that it cannot be out of date."""

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fl.config import Config

HEAD = """# Configuration

Generated from `fl/config.py` and the tables of `fl/*_config.py` by `docs/generate.py`. An experiment is a TOML file;
every key can be overridden with `--set section.key=value`. All errors of a configuration are reported at once.
"""


def configuration_reference() -> str:
    """Return docs/configuration.md."""
    return "\n".join([HEAD, *_tables(Config, "")]) + "\n"


def _tables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    rows, below = [], []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            below.append((field.annotation, f"{prefix}{name}."))
        else:
            rows.append(f"| `{prefix}{name}` | {_kind(field)} | {_default(field)} | {field.description or ''} |")
    yield f"## {prefix.rstrip('.') or 'top level'}\n\n{(model.__doc__ or '').strip()}\n"
    yield "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows, ""])
    for section, inner in below:
        yield from _tables(section, inner)


def _kind(field: FieldInfo) -> str:
    """Return the type and the limits of a key."""
    limits = [_limit(item) for item in field.metadata]
    return ", ".join([_type(field.annotation), *(limit for limit in limits if limit)])


def _type(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return _type(next(part for part in get_args(annotation) if part is not type(None)))
    if origin is not None:
        return _type(get_args(annotation)[0])
    names = {int: "integer", float: "number", bool: "true or false", str: "text"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _limit(item: Any) -> str:
    signs = {"gt": "> ", "ge": "≥ ", "lt": "< ", "le": "≤ "}
    return " ".join(f"{sign}{getattr(item, name):g}" for name, sign in signs.items() if hasattr(item, name))


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else f"`{field.default}`".replace("True", "true").replace("False", "false")
