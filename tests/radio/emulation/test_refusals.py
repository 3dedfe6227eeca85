"""Refusals have the right number: requests made of what a unit has and what it has not, judged by its own XML.

What is deserved is read from the grammar of IIOD's protocol and from the context as a client gets it; nothing of the
server's parser or tables is used.
"""

import errno
import re
from dataclasses import dataclass, field
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from radio.emulation.bench import Bench
from radio.emulation.host import serving
from tests.radio.emulation.wire import RX, TX, Client

LARGEST = 1 << 22  # samples of a block
PLACE = (
    r"(?P<device>\S+)(?: (?:(?P<scope>DEBUG|BUFFER)(?: (?P<kept>\S+))?|(?P<way>INPUT|OUTPUT) (?P<channel>\S+)"
    r"(?: (?P<of>\S+))?|(?!(?:DEBUG|BUFFER|INPUT|OUTPUT)(?: |$))(?P<own>\S+)))?"
)
READ = re.compile(f"READ {PLACE}", re.IGNORECASE)
WRITE = re.compile(f"WRITE {PLACE} (?P<size>[0-9]+)", re.IGNORECASE)
OPEN = re.compile(r"OPEN (?P<device>\S+) (?P<size>\d{1,18}) (?P<mask>\S+)(?P<cyclic> CYCLIC)?", re.IGNORECASE)
CLOSE = re.compile(r"CLOSE (?P<device>\S+)", re.IGNORECASE)
DEPTH = re.compile(r"SET (?P<device>\S+) BUFFERS_COUNT (?P<size>\d{1,9})", re.IGNORECASE)
TIMEOUT = re.compile(r"TIMEOUT \d{1,9}", re.IGNORECASE)
TRIGGER = re.compile(r"(?:GETTRIG (?P<device>\S+)|SETTRIG (?P<other>\S+)(?: \S+)?)", re.IGNORECASE)


@dataclass
class Known:
    """What a context says that there is, by the names and ids that clients may use.

    Args:
        ids: of devices, by id and by name.
        channels: ids, by device, direction, and id or name.
        attributes: device, DEBUG, BUFFER or direction or "", channel or "", name.
    """

    ids: dict = field(default_factory=dict)
    channels: dict = field(default_factory=dict)
    attributes: set = field(default_factory=set)


def known(client):
    size = client.ask("PRINT")
    found = Known()
    for device in Tree.fromstring(client.stream.read(size + 1).decode()).iter("device"):
        own = device.get("id")
        found.ids |= {name: own for name in (own, device.get("name"), device.get("label")) if name}
        for tag, scope in (("attribute", ""), ("debug-attribute", "DEBUG"), ("buffer-attribute", "BUFFER")):
            found.attributes |= {(own, scope, "", one.get("name")) for one in device.findall(tag)}
        for channel in device.findall("channel"):
            way = channel.get("type").upper()
            for name in filter(None, (channel.get("id"), channel.get("name"))):
                found.channels[own, way, name] = channel.get("id")
            found.attributes |= {(own, way, channel.get("id"), one.get("name")) for one in channel.findall("attribute")}
    return found


def of_attribute(match, context):
    """Return the error of an address, None if it is one."""
    device, way = context.ids.get(match["device"]), (match["way"] or match["scope"] or "").upper()
    if device is None:
        return errno.ENODEV
    channel = ""
    if match["channel"]:
        channel = context.channels.get((device, way, match["channel"]))
        if channel is None:
            return errno.ENXIO
    name = match["kept"] or match["of"] or match["own"]
    if name and (device, way, channel, name) not in context.attributes:
        return errno.ENOENT
    return None


def of_buffer(match, context, held):
    """Return the error of an OPEN, None if it opens one; `held` are the buffers that are open."""
    device = context.ids.get(match["device"])
    if device is None:
        return errno.ENODEV
    if device not in (RX, TX) or match["mask"] != "00000003" or not int(match["size"]):
        return errno.EINVAL
    if int(match["size"]) > LARGEST:
        return errno.ENOMEM
    if match["cyclic"] and device == RX:
        return errno.EINVAL
    return errno.EBUSY if device in held else None


def of_depth(match, context, held):
    device = context.ids.get(match["device"])
    if device is None:
        return errno.ENODEV
    if device not in (RX, TX) or not 1 <= int(match["size"]) <= 64:
        return errno.EINVAL
    return errno.EBUSY if device in held else None


def deserved(line, context, held):
    """Return the errors of which a line deserves one, and None if it may be granted."""
    if match := READ.fullmatch(line):
        error = of_attribute(match, context)
        return {error} if error else {None, errno.EACCES}
    if match := written(line):
        error = of_attribute(match, context)
        # a value may be refused, and what is only read is
        return {error} if error else {None, errno.EACCES, errno.EINVAL}
    for pattern, judge in ((OPEN, of_buffer), (DEPTH, of_depth)):
        if match := pattern.fullmatch(line):
            return {judge(match, context, held)}
    if match := CLOSE.fullmatch(line):
        device = context.ids.get(match["device"])
        return {errno.ENODEV if device is None else None if device in held else errno.EBADF}
    if match := TRIGGER.fullmatch(line):
        return {errno.ENOENT if (match["device"] or match["other"]) in context.ids else errno.ENODEV}
    return {None if TIMEOUT.fullmatch(line) else errno.EINVAL}


def written(line):
    """Return the parts of a line behind which a value follows, None for another one."""
    match = WRITE.fullmatch(line)
    return match if match and (match["kept"] or match["of"] or match["own"]) else None


def asked(client, line, value):
    """Return the reply to a line; what follows the number is read, too."""
    wanted = written(line)
    client.send(f"{line}\r\n".encode() + (value if wanted else b""))
    code = int(client.line())
    if code >= 0 and READ.fullmatch(line):
        data = client.stream.read(code + 1)
        assert data.endswith(b"\n")
    elif code >= 0 and wanted:
        assert code == len(value)
    return code


def requests(context):
    """Return lists of lines: most name what there is, many of them with one word wrong, missing, or twice."""
    devices = st.sampled_from([*context.ids, *context.ids, "iio:device9", "nobody"])
    channels = st.sampled_from([*sorted({name for _, _, name in context.channels}), "voltage9"])
    names = st.sampled_from([*sorted({name for *_, name in context.attributes}), "nosuch"])
    real = st.sampled_from(sorted(context.attributes)).map(lambda one: [word for word in one if word])
    ways, sizes = (
        st.sampled_from(["INPUT", "OUTPUT", "output"]),
        st.sampled_from(["0", "16", "64", "99999999", "-1", "x"]),
    )
    place = st.one_of(
        real, real,
        st.tuples(devices, names).map(list),
        st.tuples(devices, st.sampled_from(["DEBUG", "BUFFER"]), names).map(list),
        st.tuples(devices, ways, channels, names).map(list),
        st.tuples(devices, ways, channels).map(list),
    )  # fmt: skip
    masks = st.sampled_from(["00000003", "00000003", "00000003", "00000001", "3"])
    device = st.one_of(st.sampled_from([RX, TX]), devices)
    words = st.one_of(
        place.map(lambda one: ["READ", *one]),
        place.map(lambda one: ["WRITE", *one, "3"]),
        st.tuples(st.just("OPEN"), device, sizes, masks).map(list),
        st.tuples(st.just("OPEN"), device, sizes, masks, st.sampled_from(["CYCLIC", "SOMETIMES"])).map(list),
        st.tuples(st.just("CLOSE"), device).map(list),
        st.tuples(st.just("SET"), device, st.just("BUFFERS_COUNT"), sizes).map(list),
        st.tuples(st.sampled_from(["GETTRIG", "SETTRIG"]), devices).map(list),
        st.tuples(st.sampled_from(["TIMEOUT", "ZPRINT", "NONSENSE"]), sizes).map(list),
    )
    spoilt = st.tuples(words, st.sampled_from(["", "", "drop", "double", "lower"]), st.integers(0, 9)).map(_spoilt)
    return st.lists(st.tuples(spoilt, st.sampled_from([b"1.0", b"no!", b"\xff\0\0", b"40\0"])), min_size=1, max_size=8)


def _spoilt(about):
    words, how, place = about
    at = place % len(words)
    if how == "drop":
        return " ".join(words[:at] + words[at + 1 :])
    if how == "double":
        return " ".join(words[: at + 1] + words[at:])
    return " ".join([words[0].lower(), *words[1:]] if how == "lower" else words)


def judge(examples):
    """Ask so much, each list of requests on a connection of its own, and return the errors that came."""
    seen = {}
    with serving(Bench(1, start_spread=0.0, has_tdd=True)) as host:
        first = Client(host.uris[0])
        context = known(first)
        first.close()

        @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(requests(context))
        def run(lines):
            client, held = Client(host.uris[0]), set()
            for line, value in lines:
                if not line or (written(line) and written(line)["size"] != "3"):
                    continue  # nothing to answer, or nothing that fits the value
                allowed, code = deserved(line, context, held), asked(client, line, value)
                assert (None if code >= 0 else -code) in allowed, (line, code, allowed)
                seen[min(code, 0)] = seen.get(min(code, 0), 0) + 1
                if code >= 0 and (match := OPEN.fullmatch(line) or CLOSE.fullmatch(line)):
                    held ^= {context.ids[match["device"]]}
            for device in held:
                assert client.ask(f"CLOSE {device}") == 0
            client.close()

        run()
    return seen


ALL = {0, *(-one for one in (errno.EINVAL, errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EBADF, errno.EBUSY,
                             errno.EACCES, errno.ENOMEM))}  # fmt: skip


def test_every_refusal_has_the_number_that_the_request_deserves():
    assert set(judge(600)) == ALL


@pytest.mark.slow
def test_every_refusal_of_many_has_the_number_that_the_request_deserves():
    assert set(judge(30_000)) == ALL
