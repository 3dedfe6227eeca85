"""The message reference as Markdown, generated from the Structs so that it cannot be out of date."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    TupleType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from fl.control.frames import VERSION
from fl.control.messages import AgentStatus, FromAgent, FromServer, Message, Radio, TrackState

HEAD = f"""# Messages

Generated from `fl/control/messages.py` by `docs/generate.py`. Protocol version {VERSION}.

Server and agents speak over ZeroMQ (ROUTER and DEALER, CURVE keys: `airmeta keys`). A message has two or three frames:

| frame | content |
|---|---|
| 1 | `airmeta` and a byte: the version of the protocol |
| 2 | the header, a msgpack map; `kind` names the message, unknown fields are refused |
| 3 | safetensors, little-endian, where the message has tensors |

Numbers are finite; what does not exist is null. A round, and an agent that asks afterwards:

    agent    register                 ready              followed          sent                   ask
    server            welcome, refuse        open … sound           grant        … close, answer

`sequence` counts the starts of the server. A round that is opened again after a kill has the same `round` and another
`sequence`; together they are an attempt, and what was said of another attempt changes nothing. An agent takes part in
nothing new before it knows what became of the attempt before: `close` says so, or the answer to `ask`.
"""


def message_reference() -> str:
    """Return docs/messages.md."""
    return "\n".join([HEAD, *_common(), *_kinds(), *_parts()]) + "\n"


def _common() -> Iterator[str]:
    yield "## Every message\n\n| field | values | default | meaning |\n|---|---|---|---|"
    info = type_info(Message)
    yield "\n".join(_row(field) for field in _fields(info)) + "\n"


def _kinds() -> Iterator[str]:
    from_agent, from_server = get_args(FromAgent), get_args(FromServer)
    for title, kinds in (
        ("From an agent", [kind for kind in from_agent if kind not in from_server]),
        ("From the server", [kind for kind in from_server if kind not in from_agent]),
        ("From both", [kind for kind in from_agent if kind in from_server]),
    ):
        yield f"## {title}\n"
        for kind in kinds:
            yield from _kind(kind)


def _kind(kind: type[Message]) -> Iterator[str]:
    yield f"### {kind.__struct_config__.tag}\n\n{(kind.__doc__ or '').strip()}\n"
    common = {field.name for field in _fields(type_info(Message))}
    rows = [_row(field) for field in _fields(type_info(kind)) if field.name not in common]
    if rows:
        yield "\n".join(["| field | values | default | meaning |", "|---|---|---|---|", *rows, ""])
    tensors = [
        f"| `{spec.name}` | {spec.dtype} | ({', '.join(str(axis) for axis in spec.axes)}) | "
        f"{'may be absent' if spec.optional else ''} | {_cell(spec.meaning)} |"
        for spec in kind.TENSORS
    ]
    if tensors:
        yield "\n".join(["| tensor | entries | shape | | meaning |", "|---|---|---|---|---|", *tensors, ""])


def _parts() -> Iterator[str]:
    yield "## Parts of messages\n"
    for part in (Radio, TrackState, AgentStatus):
        yield f"### {part.__name__}\n\n{(part.__doc__ or '').strip()}\n"
        rows = [_row(field) for field in _fields(type_info(part))]
        yield "\n".join(["| field | values | default | meaning |", "|---|---|---|---|", *rows, ""])


def _fields(info: Type) -> tuple[msgspec.inspect.Field, ...]:
    if not isinstance(info, StructType):
        raise TypeError(f"{info} is not a Struct")
    return info.fields


def _row(field: msgspec.inspect.Field) -> str:
    kind = field.type
    meaning = ""
    if isinstance(kind, Metadata):
        meaning = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    default = "" if field.required else f"`{_plain(field.default)}`"
    return f"| `{field.name}` | {_type(kind)} | {default} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(value: Any) -> str:
    if type(value) in (int, float):  # to a dictionary, 0 is False
        return f"{value:g}"
    return {None: "null", True: "true", False: "false", "": '""', (): "[]"}.get(value, str(value))


def _type(kind: Type) -> str:
    """Return the type and the limits of a field."""
    match kind:
        case Metadata():
            words = _type(kind.type)
        case UnionType():
            words = " or ".join(_type(one) for one in kind.types)
        case VarTupleType():
            most = "" if kind.max_length is None else f", at most {kind.max_length}"
            words = f"list of {_type(kind.item_type)}{most}"
        case TupleType():
            words = f"{len(kind.item_types)} numbers"
        case StructType():
            words = f"`{kind.cls.__name__}`"
        case StrType():
            words = "text" + ("" if kind.max_length is None else f", at most {kind.max_length} characters")
        case IntType() | FloatType():
            words = _number(kind)
        case _:
            words = {BoolType: "true or false", NoneType: "null"}[type(kind)]
    return words


def _number(kind: IntType | FloatType) -> str:
    signs = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< "}
    limits = [f"{sign}{_limit(value)}" for name, sign in signs.items() if (value := getattr(kind, name)) is not None]
    return ", ".join(["integer" if isinstance(kind, IntType) else "number", *limits])


def _limit(value: float) -> str:
    """Return a limit; large ones as powers of two."""
    whole = int(value)
    power = abs(whole).bit_length() - 1
    if abs(whole) > 1 << 12 and abs(whole) == 1 << power:
        return f"{'-' if whole < 0 else ''}2^{power}"
    return f"{value:g}"
