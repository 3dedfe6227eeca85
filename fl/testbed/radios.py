"""The one radio of a process: opened by its address, tested, and given back at the end.

loopback     air:tcp://127.0.0.1:PORT            a unit of the air that `airmeta radio air` serves
pluto        plutos:tcp://127.0.0.1:PORT         a virtual one that it serves, with radio.pluto.emulate
pluto        ip:192.168.2.1, usb:1.5.5           default: its entry of radio.pluto.uris, the server's first
usrp         addr=192.168.10.2, serial=30AD123   default: its entry of radio.usrp.devices, likewise
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fl.config import Config, ConfigError
from fl.pluto_radios import pluto
from fl.radios import modem
from fl.shared_air import open_unit
from fl.shared_plutos import are_shared, open_shared_pluto
from fl.sides import OpenRadio
from fl.uplink.waveform.settings import Modem
from fl.usrp_radios import usrp
from radio.base import Radio, RadioError
from radio.shared_air.addresses import PLUTOS, PREFIX
from radio.usrp.clock import PULSED
from radio.usrp.shared_time import FirstHost, JoiningHost

SELF_TEST = 1000  # samples


@dataclass(frozen=True)
class OneRadio:
    """A radio of a testbed.

    Args:
        opened: it; None: the uplink has none.
        modem: the waveform that it is to carry; None likewise.
        uri: where it is.
        problem: why its self-test failed; empty: it passed.
        expect: tells a simulated air which agents send next; on real air that is not needed.
        deliver: tells it that this unit has sent what it had to.
        hosts: how it shares its time with radios of other hosts; None: its counter has nothing to do with theirs.
        together: whether counters of all radios began together.
    """

    opened: OpenRadio | None = None
    modem: Modem | None = None
    uri: str = ""
    problem: str = ""
    expect: Callable[[Iterable[int]], None] = lambda _agents: None
    deliver: Callable[[], None] = lambda: None
    hosts: FirstHost | JoiningHost | None = None
    together: bool = False

    def now(self) -> int | None:
        """Return the index of its next sample, where counters of radios have nothing to do with each other."""
        if self.opened is None or not self.opened.runs_on or self.together or self.hosts is not None:
            return None
        return self.opened.radio.now()


def shares_time(config: Config) -> bool:
    """Return whether the radios of all hosts have one time: USRPs that see the same edges."""
    radio = config.radio
    return config.uplink.kind == "waveform" and radio.kind == "usrp" and radio.usrp.time_source in PULSED


@contextmanager
def open_radio(
    config: Config, agent: int | None, uri: str | None, joining: JoiningHost | None = None
) -> Iterator[OneRadio]:
    """Yield the radio of an agent, or of the server.

    Args:
        config: the experiment.
        agent: id; None: the server.
        uri: where the radio is; None: as the configuration says.
        joining: to the server's time, of an agent whose radio shares it.

    Raises:
        ConfigError: there is no such radio.
        RadioError: it cannot be opened.
    """
    if config.uplink.kind != "waveform":
        if uri is not None:
            raise ConfigError([f"--radio: uplink.kind = {config.uplink.kind} has no radios, got {uri}"])
        yield OneRadio()
        return
    if config.calibration.table is not None:
        raise ConfigError(
            ["calibration.table: processes of a testbed do not use one yet; leave it out, or use airmeta run"]
        )
    about, unit = modem(config.waveform, config.radio.carrier), 0 if agent is None else 1 + agent
    if config.radio.kind == "loopback":
        yield from _on_air(config, about, unit, uri)
    elif are_shared(config):
        yield from _virtual(config, about, unit, uri)
    else:
        hosts = FirstHost() if agent is None and shares_time(config) else joining
        yield from _on_hardware(config, about, uri or _listed(config, unit), hosts)


def _on_air(config: Config, about: Modem, unit: int, uri: str | None) -> Iterator[OneRadio]:
    where = _shared(uri, "radio.kind = loopback", PREFIX)
    radio = open_unit(config, where, unit)

    def expect(agents: Iterable[int]) -> None:
        radio.expect(1 + one for one in agents)

    try:
        yield OneRadio(OpenRadio(radio), about, where, "", expect, radio.deliver)
    finally:
        radio.close()


def _virtual(config: Config, about: Modem, unit: int, uri: str | None) -> Iterator[OneRadio]:
    bench, seat = open_shared_pluto(config, _shared(uri, "radio.pluto.emulate = true", PLUTOS), unit)

    def expect(agents: Iterable[int]) -> None:
        seat.expect(1 + one for one in agents)

    try:
        opened = OpenRadio(bench.server, bench.runs_on, bench.breaks)
        yield OneRadio(opened, about, seat.uri, "", expect, seat.deliver, together=True)
    finally:
        bench.close()


def _shared(uri: str | None, what: str, prefix: str) -> str:
    if uri is None or not uri.startswith(prefix):
        said = "none" if uri is None else uri
        raise ConfigError(
            [f"--radio: {what} needs the air of all processes, got {said}; start airmeta radio air with "
             f"the same configuration, and give the URI that it prints ({prefix}tcp://…)"]
        )  # fmt: skip
    return uri


def _on_hardware(config: Config, about: Modem, where: str, hosts: FirstHost | JoiningHost | None) -> Iterator[OneRadio]:
    wished, kind = config.radio, config.radio.kind
    if kind == "pluto":
        plutos = wished.pluto.model_copy(update={"uris": (where,), "emulate": False})
        bench = pluto(wished.model_copy(update={"pluto": plutos}), 0, about, 0.0, 0.0, config.seed)
    elif kind == "usrp":
        usrps = wished.usrp.model_copy(update={"devices": (where,)})
        bench = usrp(wished.model_copy(update={"usrp": usrps}), 0, about, hosts)
    else:
        raise ConfigError(
            [f"radio.kind: {kind} does not run over processes: a flowgraph has all units; use airmeta run"]
        )
    try:
        opened = OpenRadio(bench.server, True, bench.breaks)
        yield OneRadio(opened, about, where, _problem(bench.server), hosts=hosts)
    finally:
        bench.close()


def _listed(config: Config, unit: int) -> str:
    """Return the address of a unit as the configuration lists it, the server's first."""
    listed: Any = config.radio.pluto.uris if config.radio.kind == "pluto" else config.radio.usrp.devices
    if unit >= len(listed):
        key = "radio.pluto.uris" if config.radio.kind == "pluto" else "radio.usrp.devices"
        raise ConfigError([f"{key}: {len(listed)} listed, none for unit {unit}; list it, or give --radio URI"])
    return str(listed[unit])


def _problem(radio: Radio) -> str:
    """Return why a radio does not hear, or nothing."""
    try:
        radio.receive(SELF_TEST, radio.now())
    except RadioError as error:
        return str(error)[:1000]
    return ""
