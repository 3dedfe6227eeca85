"""`airmeta radio mute`: silence radios by hand, whoever left them on."""

import click


@click.command("mute")
@click.argument("uris", nargs=-1, required=True, metavar="URI…")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds to answer in.")
def mute(uris: tuple[str, ...], timeout: float) -> None:
    """Set the largest attenuation, take the power of the transmitter's mixer, silence the tones, and read it back.

    Exit status 1 if a radio may still be sending; the others are muted nevertheless.

    \b
    Examples:
        airmeta radio mute ip:192.168.2.1
        airmeta radio mute ip:192.168.2.1 ip:192.168.3.1 usb:1.2.5
    """
    from radio.base import RadioError
    from radio.pluto.uris import is_uri, malformed
    from radio.pluto.watchdog import mute as silenced

    failed = False
    for uri in uris:
        try:
            if not is_uri(uri):
                raise RadioError(malformed(uri))
            silenced(uri, timeout)
            click.echo(f"{uri}: muted")
        except RadioError as error:
            failed = True
            click.echo(str(error), err=True)
    if failed:
        raise SystemExit(1)
