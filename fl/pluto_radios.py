"""From the tables `radio.pluto` and `radio.tx` to radios: a server and its agents on PlutoSDRs, real or virtual."""

import atexit
import logging
import math
from contextlib import ExitStack

from fl.pluto_config import Pluto
from fl.radio_config import Radio as RadioConfig
from fl.radios import Bench, authorised
from fl.uplink.waveform.settings import Modem
from fl.virtual_plutos import Emulator, Scene
from radio.emulation.clock import LockStep
from radio.emulation.host import serving
from radio.emulation.in_turn import count_of, in_turn
from radio.exits import close_together
from radio.pluto.link import Link
from radio.pluto.radio import PlutoRadio
from radio.pluto.tuning import Tuning
from radio.shared_plutos.seat import PlutoSeat
from radio.streaming.bounded import Bounded
from radio.streaming.free_running import FreeRunning
from radio.streaming.pace import Pace

OPENING = 8  # blocks within which a virtual Pluto in lock-step is opened, while time stands for all others

_log = logging.getLogger(__name__)


def pluto(config: RadioConfig, agents: int, about: Modem, noise_var: float, redraw: float, seed: int) -> Bench:
    """Return a server and agents on PlutoSDRs.

    Args:
        config: radios, what they may send, and the air of virtual ones.
        agents: how many.
        about: the waveform.
        noise_var: σ² of a received sample of virtual ones at their reference gain.
        redraw: seconds after which channels of virtual ones are drawn anew; 0: never.
        seed: of virtual ones.

    Raises:
        RadioError: one of them cannot be opened.
    """
    ending = ExitStack()
    atexit.register(ending.close)
    try:
        if config.pluto.waits:
            radios = _in_lock_step(config, scene(config, agents, about, noise_var, redraw, seed), about, ending)
        elif config.pluto.emulate:
            radios = _in_real_time(config, scene(config, agents, about, noise_var, redraw, seed), about, ending)
        else:
            radios = _opened(
                config, config.pluto.uris[: 1 + agents], about, FreeRunning(config.pluto.queue), "", ending
            )
            _warn_of_lock_step(radios)
            if config.pluto.trigger == "external":
                _catch(radios)
            else:
                for radio in radios:
                    radio.align(0)
    except BaseException:
        ending.close()
        raise
    return Bench(
        about.carrier,
        radios[0],
        lambda agent: radios[agent + 1],
        None,
        ending.close,
        not config.pluto.waits,
        lambda: sum(radio.breaks for radio in radios),
    )


def _warn_of_lock_step(radios: list[PlutoRadio]) -> None:
    """Say that virtual radios whose sample time flies as fast as samples are fetched leave threads no time."""
    if any(radio.link.sdr.ctx.attrs.get("airmeta,clock") == "lock-step" for radio in radios):
        _log.warning(
            "radio %s: virtual, in lock-step: a run comes too late for its bursts; start airmeta radio emulate "
            "--real-time",
            radios[0].link.uri,
        )


def shared_pluto(config: RadioConfig, agents: int, about: Modem, seat: PlutoSeat) -> Bench:
    """Return a virtual Pluto of another process, as the server of a bench that has no agents.

    Raises:
        RadioError: it cannot be opened.
    """
    waits, ending = config.pluto.waits, ExitStack()
    atexit.register(ending.close)
    ending.callback(seat.close)
    pace: Pace = (
        Bounded(seat) if waits else FreeRunning(config.pluto.queue, lambda _: seat.opened() / about.sample_rate)
    )
    # started anew, a process has other phases
    epoch = f"start {config.loopback.restarts}{'.' * seat.openings}" if waits else ""
    try:
        (radio,) = _opened(config, [seat.uri], about, pace, epoch, ending, guarded=True)
        passed = _room(1 + agents, config.pluto.block, about) if waits else 0
        _align(radio, seat.opened() - passed)
    except BaseException:
        ending.close()
        raise
    return Bench(about.carrier, radio, lambda _: radio, None, ending.close, not waits, lambda: radio.breaks)


def scene(config: RadioConfig, agents: int, about: Modem, noise_var: float, redraw: float, seed: int) -> Scene:
    """Return virtual Plutos for a server and agents; the arguments are those of `pluto`."""
    air = config.loopback.model_copy(update={"carrier_hz": about.carrier})
    return Scene(1 + agents, air.model_dump(mode="json"), noise_var, redraw, seed)


def _in_lock_step(config: RadioConfig, scene: Scene, about: Modem, ending: ExitStack) -> list[PlutoRadio]:
    """Return radios on virtual Plutos; their counters are those of the air, a whole number of periods earlier."""
    has_pulse = config.pluto.trigger == "external"
    host = ending.enter_context(serving(scene.bench(LockStep(), has_pulse)))
    pace = in_turn(host, about.sample_rate)
    radios = _opened(config, host.uris, about, pace, f"start {config.loopback.restarts}", ending)
    if has_pulse:
        host.call(host.server.bench.pulse)
        _catch(radios)
        passed = _periods([radio.now() for radio in radios], about)
        for radio in radios:
            radio.align(radio.now() - passed)
        return radios
    counts = [count_of(host, uri) for uri in host.uris]
    passed = max(_periods(counts, about), _room(len(radios), config.pluto.block, about))
    for radio, count in zip(radios, counts, strict=True):
        radio.align(count - passed)
    return radios


def _catch(radios: list[PlutoRadio]) -> None:
    """Let all radios start at one pulse; they count from it."""
    for radio in radios:
        radio.catch()
    for radio in radios:
        radio.now()


def _in_real_time(config: RadioConfig, scene: Scene, about: Modem, ending: ExitStack) -> list[PlutoRadio]:
    """Return radios on virtual Plutos of another process, with counters likewise."""
    emulator = Emulator(scene)
    ending.callback(emulator.close)
    pace = FreeRunning(config.pluto.queue, lambda uri: emulator.opened()[emulator.uris.index(uri)] / about.sample_rate)
    radios = _opened(config, emulator.uris, about, pace, "", ending)
    counts = emulator.opened()
    passed = _periods(counts, about)
    for radio, count in zip(radios, counts, strict=True):
        _align(radio, count - passed)
    return radios


def _align(radio: PlutoRadio, opened: int) -> None:
    """Let a radio count from an index at which its stream was opened."""
    with radio.link.pump.changed:  # no block may come between count and index
        radio.align(opened + radio.link.pump.stream.heard)


def _room(units: int, block: int, about: Modem) -> int:
    """Return the whole periods, in samples, within which so many units in lock-step are opened."""
    return math.ceil(units * OPENING * block / about.period) * about.period


def _periods(counts: list[int], about: Modem) -> int:
    """Return the whole periods, in samples, within which all counts lie."""
    return math.ceil(max(counts) / about.period) * about.period


def _opened(
    config: RadioConfig, uris: tuple[str, ...] | list[str], about: Modem, pace: Pace, epoch: str, ending: ExitStack,
    guarded: bool | None = None,
) -> list[PlutoRadio]:  # fmt: skip
    guarded = not config.pluto.emulate if guarded is None else guarded  # virtual ones end with this process
    radios: list[PlutoRadio] = []
    ending.callback(close_together, radios)
    for uri in uris:
        link = Link(uri, pluto_tuning(config.pluto, about), pace, config.pluto.block, config.pluto.timeout_s,
                    config.pluto.antenna_delay, config.pluto.trigger)  # fmt: skip
        radio = PlutoRadio(link, authorised(config.tx), config.timing_uncertainty, epoch, guarded)
        radios.append(radio)
    return radios


def pluto_tuning(config: Pluto, about: Modem) -> Tuning:
    """Return what PlutoSDRs are opened with."""
    bandwidth = config.bandwidth_hz or about.sample_rate
    return Tuning(
        about.carrier,
        about.sample_rate,
        bandwidth,
        config.tx_attenuation_db,
        config.rx_gain_db,
        about.numerology.bandwidth,
    )
