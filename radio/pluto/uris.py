"""How PlutoSDRs are called: as libiio does."""

CONTEXTS = "ip", "usb", "serial", "local"


def is_uri(text: str) -> bool:
    """Return whether libiio could take this for a radio."""
    kind, colon, place = text.partition(":")
    return bool(colon) and kind in CONTEXTS and (kind == "local" or bool(place))


def malformed(text: str) -> str:
    """Return what is wrong with what is no URI, for a message that begins with where it stood."""
    return f"PlutoSDRs are called as libiio does, ip:192.168.2.1 or usb:1.2.5 (iio_info -s lists them), got {text!r}"
