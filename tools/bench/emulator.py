"""`airmeta bench emulator`: how many virtual Plutos run in real time, and how fast, without one lost sample."""

import json
import time
from contextlib import ExitStack
from itertools import product
from typing import Any

import click

from tools.options import json_option, readable_errors

IMPAIRED: dict[str, Any] = {
    "profile": "tdl_a", "doppler_hz": 5.0, "offset_ppm": 10.0, "pll_rms_deg": 1.0, "iq_gain_db": 0.3,
    "iq_phase_deg": 1.0,
}  # fmt: skip
PERFECT: dict[str, Any] = {"profile": "flat", "fading": False, "gain_db": 0.0}
AIRS = {"perfect": (PERFECT, 0.0), "noisy": (PERFECT, 1e-5), "impaired": (IMPAIRED, 1e-5)}
CARRIER, BLOCK, QUEUE = 915e6, 16_384, 8
PART = 0.25  # seconds between two bursts of a unit


@click.command("emulator")
@click.option("--units", "-n", type=click.IntRange(2, 32), default=4, show_default=True, help="Virtual Plutos.")
@click.option("--rate", "rates", multiple=True, type=float, help="In Hz; default: 1e6, 2e6 and 4e6.")
@click.option("--seconds", type=click.FloatRange(1.0), default=10.0, show_default=True, help="Of each case.")
@click.option("--quick", is_flag=True, help="1 MS/s only.")
@json_option
def emulator(units: int, rates: tuple[float, ...], seconds: float, quick: bool, as_json: bool) -> None:
    """Stream to and from virtual Plutos in real time, and count streams that break; the clients run here, too.

    Cases: nobody sends, each sends a tenth of the time, all send all the time; an air without impairments and noise,
    with noise, and with clocks, a moving channel, phase noise and IQ imbalance besides.

    \b
    Example:
        airmeta bench emulator --quick
    """
    rows = []
    cases = product(rates or ((1e6,) if quick else (1e6, 2e6, 4e6)), AIRS.items(), (0.0, 0.1, 1.0))
    with readable_errors():
        for rate, (air, (table, noise_var)), duty in cases:
            found = _run(units, rate, table, noise_var, duty, seconds)
            rows.append({"units": units, "rate": rate, "air": air, "sending": duty, **found})
            if not as_json:
                click.echo(
                    f"{units} units at {rate / 1e6:g} MS/s, {air:8s} air, sending {duty:4.0%}: "
                    f"{found['broken']:3d} broken streams, {found['pace']:.3f} of the time of day"
                )
    if as_json:
        click.echo(json.dumps(rows))


def _run(
    units: int, rate: float, table: dict[str, Any], noise_var: float, duty: float, seconds: float
) -> dict[str, Any]:
    """Return how often a stream broke, and samples heard over those due; the slowest unit counts."""
    from fl.virtual_plutos import Emulator, Scene
    from radio.pluto.link import Link
    from radio.pluto.radio import PlutoRadio
    from radio.pluto.tuning import Tuning
    from radio.safety import Authorisation
    from radio.streaming.free_running import FreeRunning

    with ExitStack() as ending:
        served = Emulator(Scene(units, table | {"carrier_hz": CARRIER}, noise_var, 0.0, 0))
        ending.callback(served.close)
        tuning, allowed = Tuning(CARRIER, rate, 0.9 * rate, 0.0), Authorisation("cable", CARRIER - rate, CARRIER + rate)
        radios, pace = [], FreeRunning(QUEUE)
        for uri in served.uris:
            radios.append(PlutoRadio(Link(uri, tuning, pace, BLOCK, 5.0, 96), allowed, guarded=False))
            ending.callback(radios[-1].close)
        starts, begun = [radio.now() for radio in radios], time.monotonic()
        while time.monotonic() - begun < seconds:
            _one_part(radios, rate, duty)
        passed = time.monotonic() - begun
        pace_of = min((radio.now() - start) / (rate * passed) for radio, start in zip(radios, starts, strict=True))
        return {"broken": sum(radio.breaks for radio in radios), "pace": pace_of}


def _one_part(radios: list[Any], rate: float, duty: float) -> None:
    """Let every radio send its share of a quarter of a second, and hear all of it."""
    import numpy as np

    from radio.base import RadioError

    count = round(PART * rate)
    burst = np.full(round(duty * count), 0.3, np.complex64) * np.exp(2j * np.pi * np.random.default_rng(0).random())
    for radio in radios:
        try:
            at = radio.now()
            if burst.size:
                radio.transmit(burst.astype(np.complex64), at + radio.lead_time + count // 8)
            radio.receive(count // len(radios), at)
        except RadioError:
            radio.now()  # counted, and opened again
