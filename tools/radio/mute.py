"""`airmeta radio mute`: silence radios by hand, whoever left them on."""

import click

OTHERS = (
    "airmeta radio mute reaches PlutoSDRs only. A USRP sends nothing without samples from a program: end that program "
    "(Ctrl-C or SIGTERM lowers its gain, too; after kill -9 the leakage of its mixer stays until a program opens it "
    "again, or its power is taken away). A flowgraph of GNU Radio sends nothing once it has ended: end it; PlutoSDRs "
    "behind it are muted by their URIs"
)
"""What to do about a radio that is no PlutoSDR."""


@click.command("mute")
@click.argument("uris", nargs=-1, required=True, metavar="URI…")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds to answer in.")
def mute(uris: tuple[str, ...], timeout: float) -> None:
    """Silence PlutoSDRs: largest attenuation, no power for the transmitter's mixer, no tones, all of it read back.

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
                raise RadioError(f"{malformed(uri)}; {OTHERS}")
            silenced(uri, timeout)
            click.echo(f"{uri}: muted")
        except RadioError as error:
            failed = True
            click.echo(str(error), err=True)
    if failed:
        raise SystemExit(1)
