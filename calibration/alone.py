"""What can be said of a radio that has nobody to talk to: whether its band is quiet, and how late it hears itself.

Everything else compares two radios.
"""

from calibration import latency
from calibration.exchange import Signals
from calibration.measurement import Measurement, NotApplicable
from calibration.spectrum import check_quiet, listen
from radio.base import Radio

SECOND = "name an agent's radio after the server's with a second --radio"
NEEDS = {
    "clock": "a clock is compared with another one's",
    "iq": "images of transmitter and receiver are told apart by the carrier offset of two radios",
    "channel": "a channel is between two radios",
    "reciprocity": "a ratio is that of two radios' chains",
}


def measure(kind: str, radio: Radio, signals: Signals) -> Measurement:
    """Return a measurement of one kind of a radio alone.

    Raises:
        NotApplicable: it takes two; says what could be seen of one.
        CalibrationError: somebody is in the band, or the radio is at full scale.
        RadioError: the radio failed.
    """
    if kind == "latency":
        return latency.own(radio, signals)
    if kind != "levels":
        raise NotApplicable(f"{NEEDS[kind]}; {SECOND}")
    silence = listen(radio, signals)
    check_quiet(silence, radio)
    floor = silence.floor
    raise NotApplicable(
        f"nobody else is in the band, noise is {floor.value:.1f} ± {floor.uncertainty:.1f} dBFS at a gain of "
        f"{radio.settings.rx_gain_db:g} dB; a level is how strongly one radio hears another: {SECOND}"
    )
