"""Tensors beside a message: one safetensors frame, checked against what the kind of message may carry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import safetensors
from safetensors.numpy import save

NAMES = {"float32": "F32", "float64": "F64", "int64": "I64"}
MOST_HEADER = 4096  # bytes of JSON that name the tensors of a frame


class ProtocolError(ValueError):
    """Something that arrived is not what the protocol allows; the message says what, and what is allowed."""


class VersionError(ProtocolError):
    """The other side speaks another version of the protocol: nothing that it says will be understood."""


@dataclass(frozen=True)
class TensorSpec:
    """What a tensor of a message must be.

    Args:
        name: in the frame.
        dtype: of its entries, little-endian.
        axes: each a length, or a name whose length is the same in all tensors of a message.
        meaning: for the reference.
        optional: whether a message may come without it.
    """

    name: str
    dtype: Literal["float32", "float64", "int64"]
    axes: tuple[int | str, ...]
    meaning: str
    optional: bool = False


def pack(specs: Iterable[TensorSpec], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the frame of some tensors; nothing, if there are none.

    Raises:
        ValueError: they are not those of the message.
    """
    content = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    try:
        _check(specs, content, {})
    except ProtocolError as error:
        raise ValueError(f"cannot be sent: {error}") from error
    return save(content) if content else b""


def unpack(frame: bytes, specs: Iterable[TensorSpec], sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the tensors of a frame.

    Args:
        frame: as `pack` made it, or anything else.
        specs: of the kind of message.
        sizes: lengths that named axes must have; an axis that is not here may have any.

    Raises:
        ProtocolError: they are not those of the message, or not finite.
    """
    tensors = _read(frame) if frame else {}
    _check(specs, tensors, sizes)
    for name, values in tensors.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ProtocolError(f"tensor {name}: not finite; an update that is not finite is reported, not sent")
    return tensors


def _read(frame: bytes) -> dict[str, np.ndarray]:
    header = int.from_bytes(frame[:8], "little")
    if header > MOST_HEADER:
        raise ProtocolError(f"the header of the tensors must be at most {MOST_HEADER} bytes, got {header}")
    try:
        found = safetensors.deserialize(frame)
    except safetensors.SafetensorError as error:
        raise ProtocolError(f"the tensors are not a whole safetensors frame ({str(error)[:200]})") from error
    dtypes = {code: name for name, code in NAMES.items()}
    tensors = {}
    for name, about in found:
        if about["dtype"] not in dtypes:
            raise ProtocolError(f"tensor {name[:64]!r}: entries must be of {sorted(NAMES)}, got {about['dtype']}")
        dtype = np.dtype(dtypes[about["dtype"]]).newbyteorder("<")
        try:
            tensors[name] = np.frombuffer(about["data"], dtype).reshape(about["shape"])
        except (ValueError, OverflowError) as error:  # no entries, and a shape that no array can have
            raise ProtocolError(f"tensor {name[:64]!r}: no array has this shape ({error})") from error
    return tensors


def _check(specs: Iterable[TensorSpec], tensors: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> None:
    known = {spec.name: spec for spec in specs}
    for name in tensors:
        if name not in known:
            raise ProtocolError(f"tensor {name[:64]!r}: unknown, this message may carry {sorted(known) or 'none'}")
    lengths = dict(sizes)
    for name, spec in known.items():
        if name in tensors:
            _check_one(spec, tensors[name], lengths)
        elif not spec.optional:
            raise ProtocolError(f"tensor {name}: missing")


def _check_one(spec: TensorSpec, values: np.ndarray, lengths: dict[str, int]) -> None:
    if values.dtype != np.dtype(spec.dtype):
        raise ProtocolError(f"tensor {spec.name}: entries must be {spec.dtype}, got {values.dtype}")
    expected = tuple(axis if isinstance(axis, int) else lengths.get(axis, -1) for axis in spec.axes)
    same = len(expected) == values.ndim and all(
        size in (-1, length) for size, length in zip(expected, values.shape, strict=True)
    )
    if not same:
        wanted = ", ".join(str(axis) if size < 0 else str(size) for axis, size in zip(spec.axes, expected, strict=True))
        raise ProtocolError(f"tensor {spec.name}: shape must be ({wanted}), got {values.shape}")
    lengths |= {axis: length for axis, length in zip(spec.axes, values.shape, strict=True) if isinstance(axis, str)}
