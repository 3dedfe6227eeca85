"""What a run will send, before it does: where, how strongly, for how long. Nothing is opened, nothing is sent."""

from datetime import UTC, datetime
from typing import Any

from dsp.frame import beacon, marker, sounding
from fl.config import Config
from fl.dimension import message_length
from fl.foreseen import gains
from fl.radios import modem
from fl.uplink.settings import codec


def airtime(config: Config) -> dict[str, Any]:
    """Return carrier, band, gains and airtime of a run whose uplink is a waveform.

    Times are of a round after the first, whose soundings may be more; the duty cycle is that of the radio that sends
    most. Gains are those of a calibration table, by serial number, or else those that radios start with.

    Raises:
        TableError: the calibration table is not there, or does not hold for these radios.
    """
    about = modem(config.waveform, config.radio.carrier)
    symbols = codec(config, message_length(config)).n_symbols
    if config.waveform.channel_from == "uplink":
        frame = about.frame(config.agents.scheduled, symbols, first=False)
    else:
        frame = about.downlink_frame(config.agents.scheduled, symbols)
    grid, rate = about.numerology, about.sample_rate
    server = (beacon(grid).size + len(frame.markers) * marker(grid).size) / rate
    agent = (frame.cycles * sounding(grid).size + frame.payload_length) / rate
    period = about.period / rate
    found: dict[str, Any] = {
        "lo_hz": about.carrier,
        "bandwidth_hz": config.radio.bandwidth(rate),
        "server_airtime_s": round(server, 6),
        "agent_airtime_s": round(agent, 6),
        "duty_cycle": round(max(server, agent * config.agents.scheduled / config.agents.count) / period, 4),
        "duration_s": round(config.rounds * period, 3),
    }
    measured = {} if config.radio.is_simulated else gains(config, datetime.now(UTC))
    if config.radio.tx.medium is not None:
        found |= {"medium": config.radio.tx.medium, "authorised_band_hz": config.radio.tx.authorised_band}
    if config.radio.table not in ("pluto", "usrp"):
        return found
    table = config.radio.pluto if config.radio.table == "pluto" else config.radio.usrp
    attenuation = "the largest" if table.tx_attenuation_db is None else table.tx_attenuation_db
    return found | {
        "tx_attenuation_db": measured.get("tx_attenuation_db") or attenuation,
        "rx_gain_db": measured.get("rx_gain_db") or table.rx_gain_db,
    }
