"""Entries for the tests of the calibration table."""

from dataclasses import replace
from datetime import UTC, datetime

from calibration.entry import Subject, entry_of
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.rules import RULES
from radio.settings import Settings

GOOD = Verdict()
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
SETTINGS = Settings(2.4e9, 4e6, 3.6e6, 10.0, -15.0, 0.5, False)
OTHER = Settings(2.5e9, 5e6, 4.5e6, 12.0, -12.0, 0.75, True)
SERVER = Subject("server", "start 0", SETTINGS, "--radio loopback")
AGENT = Subject("agent", "start 0", SETTINGS, "--radio loopback --agent 0")
SECOND = replace(AGENT, serial="second", uri="--radio loopback --agent 1")


def entry(kind="iq", radio=AGENT, partner=SERVER, now=NOW, verdict=GOOD, **values):
    values = values or {"gain_db": 0.5}
    partner = partner if RULES[kind].has_partner else None
    quantities = {name: Quantity(value, 0.1, "dB") for name, value in values.items()}
    measurement = Measurement(kind, radio.serial, partner and partner.serial, quantities, verdict)
    return entry_of(measurement, radio, partner, now, "0.1.0")
