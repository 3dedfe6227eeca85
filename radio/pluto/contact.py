"""Contact with one Pluto: pyadi-iio's object of it, and its attributes."""

from typing import Any

from radio.base import ContactError, RadioError
from radio.pluto.attributes import Attributes


def connect(uri: str, timeout: float) -> tuple[Any, Attributes]:
    """Return pyadi-iio's object of a radio, and its attributes.

    Args:
        uri: of libiio, such as ip:192.168.2.1 or usb:1.2.5.
        timeout: seconds.

    Raises:
        RadioError: the client library is missing, or the radio is.
    """
    try:
        import adi
    except (ImportError, OSError) as error:
        raise RadioError(
            f"radio {uri}: needs pyadi-iio and libiio, got {error}; apt-get install libiio0 and pip install "
            "'airmeta[sdr]'"
        ) from error
    try:
        sdr = adi.Pluto(uri=uri)
    except Exception as error:  # pyadi-iio raises nothing more special
        raise ContactError(
            f"radio {uri}: no PlutoSDR answers there ({error}); check radio.pluto.uris, cable and power; "
            "iio_info -s lists what can be reached"
        ) from error
    attributes = Attributes(sdr.ctx, uri)
    with attributes.asking("a timeout"):
        sdr.ctx.set_timeout(round(1000 * timeout))
    return sdr, attributes
