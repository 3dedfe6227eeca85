"""From the tables `radio.pluto` and `radio.tx` to radios: a server and its agents on PlutoSDRs, real or virtual."""

import atexit
import logging
import math
from contextlib import ExitStack

from fl.pluto_config import Pluto, Tx
from fl.radio_config import Radio as RadioConfig
from fl.radios import Bench
from fl.uplink.waveform.settings import Modem
from fl.virtual_plutos import Emulator, Scene
from radio.emulation.clock import LockStep
from radio.emulation.server import serving
from radio.exits import close_together
from radio.pluto.link import Link
from radio.pluto.pace import FreeRunning, Pace
from radio.pluto.radio import PlutoRadio
from radio.pluto.tuning import Tuning
from radio.pluto.virtual import count_of, in_turn
from radio.safety import Authorisation

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
            radios = _in_lock_step(config, _scene(config, agents, about, noise_var, redraw, seed), about, ending)
        elif config.pluto.emulate:
            radios = _in_real_time(config, _scene(config, agents, about, noise_var, redraw, seed), about, ending)
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


def _scene(config: RadioConfig, agents: int, about: Modem, noise_var: float, redraw: float, seed: int) -> Scene:
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
    passed = _periods(counts, about)
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
        with radio.link.pump.changed:  # no block may come between count and index
            radio.align(count - passed + radio.link.pump.stream.heard)
    return radios


def _periods(counts: list[int], about: Modem) -> int:
    """Return the whole periods, in samples, within which all counts lie."""
    return math.ceil(max(counts) / about.period) * about.period


def _opened(
    config: RadioConfig, uris: tuple[str, ...] | list[str], about: Modem, pace: Pace, epoch: str, ending: ExitStack
) -> list[PlutoRadio]:
    radios: list[PlutoRadio] = []
    ending.callback(close_together, radios)
    for uri in uris:
        link = Link(uri, _tuning(config.pluto, about), pace, config.pluto.block, config.pluto.timeout_s,
                    config.pluto.antenna_delay, config.pluto.trigger)  # fmt: skip
        guarded = not config.pluto.emulate  # virtual ones end with this process
        radio = PlutoRadio(link, _allowed(config.tx), config.timing_uncertainty, epoch, guarded)
        radios.append(radio)
    return radios


def _tuning(config: Pluto, about: Modem) -> Tuning:
    bandwidth = config.bandwidth_hz or about.sample_rate
    return Tuning(
        about.carrier,
        about.sample_rate,
        bandwidth,
        config.tx_attenuation_db,
        config.rx_gain_db,
        about.numerology.bandwidth,
    )


def _allowed(config: Tx) -> Authorisation | None:
    if config.medium is None or config.authorised_band is None:
        return None
    return Authorisation(config.medium, *config.authorised_band)
