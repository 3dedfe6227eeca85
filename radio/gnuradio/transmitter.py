"""The switch of a unit's transmitter: on by the first burst that may be sent, off by `mute`."""

from contextlib import suppress
from dataclasses import dataclass

from radio.base import ContactError, RadioError
from radio.gnuradio.upkeep import Upkeep
from radio.safety import Emission


@dataclass(eq=False)
class Transmitter:
    """The transmitter of one unit.

    Args:
        upkeep: of the unit.
        is_muted: whether bursts are dropped.
    """

    upkeep: Upkeep
    is_muted: bool = False

    def switch_on(self) -> None:
        """Let the transmitter be heard, once; a mixer that has power again begins a session.

        Raises:
            RadioError: the radio does not take it; it was silenced again.
        """
        upkeep = self.upkeep
        if upkeep.is_on:
            return
        upkeep.emission = Emission.SENDING
        try:
            upkeep.controls.switch_on()
        except ContactError as error:
            raise upkeep.given_up(error) from error
        except BaseException:
            with suppress(RadioError):  # it stays unsure, and is silenced at the latest by `close`
                self._cut_off()
            raise
        if upkeep.was_on and upkeep.controls.cuts_off:
            upkeep.begin_session()
        upkeep.was_on = True

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what was not handed over, and silence the transmitter, or wait for it.

        Raises:
            RadioError: it may still be sending.
        """
        upkeep = self.upkeep
        with upkeep.guard:
            self.is_muted = True
            if upkeep.flowgraph.is_open:
                pump = upkeep.pump
                with pump.changed:
                    pump.timeline.clear()
            if upkeep.emission is Emission.SILENT:
                return
            if upkeep.flowgraph.is_open and not upkeep.controls.cuts_off:
                self._drain()
            self._cut_off()

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left unheard."""
        upkeep = self.upkeep
        with upkeep.guard:
            upkeep.ready()
            if self.is_muted and upkeep.controls.cuts_off:
                self._drain()
            self.is_muted = False

    def _cut_off(self) -> None:
        self.upkeep.emission = Emission.UNSURE
        self.upkeep.controls.silence()
        self.upkeep.emission = Emission.SILENT

    def _drain(self) -> None:
        """Return when what has been handed over has left, or the flowgraph has ended and sends nothing any more."""
        upkeep, pump = self.upkeep, self.upkeep.pump
        try:
            upkeep.flowgraph.wait(upkeep.unit, pump.promised + pump.offset)
        except RadioError as error:
            found = upkeep.given_up(error)
            if found is not error:
                raise found from error
