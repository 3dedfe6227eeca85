"""Channel uses of a round, before anything runs: of its data, and with what the waveform adds to them."""

from fl.config import Config, ConfigError
from fl.dimension import message_length
from fl.radios import modem
from fl.uplink.settings import codec
from fl.uplink.table import OFF_AIR
from fl.uplink.waveform.payload import places_of


def payload_uses(config: Config) -> int:
    """Return M, the channel uses of a round for data.

    Raises:
        ConfigError: its uplink is none of those that count them.
    """
    kind, length = config.uplink.kind, message_length(config)
    uses = OFF_AIR[kind].channel_uses(config, length) if kind in OFF_AIR else codec(config, length).n_symbols
    if uses is None:
        raise ConfigError(
            [
                f"uplink.kind: {kind} has no channel uses, so there is nothing to compare by; take one that has, "
                "as symbol"
            ]
        )
    return uses


def total_uses(config: Config) -> int:
    """Return the channel uses of a round with what the waveform adds to them: pilots, soundings, beacons.

    Raises:
        ConfigError: its uplink has no channel uses.
    """
    payload = payload_uses(config)
    symbols, agents = codec(config, message_length(config)), config.agents.scheduled
    about = modem(config.waveform, config.radio.carrier)
    places = places_of(about, symbols, agents, 0)
    frame = about.frame(agents, symbols.n_symbols, first=False)
    return payload + places.pilots.size + places.silent.size + frame.sounding_uses
