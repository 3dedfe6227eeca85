"""What `--radio URI` stands for, as keys of a configuration.

loopback[:KEY=VALUE,…]   simulated radios: keys of radio.loopback, and agents, seed, snr_db
pluto[:KEY=VALUE,…]      virtual PlutoSDRs in this process: keys of radio.pluto too, which come first
ip:…  usb:…              PlutoSDRs as libiio calls them, one URI a radio: the server's, then the agents'
"""

from collections.abc import Sequence
from difflib import get_close_matches

from fl.config import ConfigError
from fl.pluto_config import Pluto
from fl.radio_config import Loopback
from radio.emulation.synthesis import LO_RANGE
from radio.pluto.uris import CONTEXTS, is_uri, malformed

SHORT = {"agents": "agents.count", "seed": "seed", "snr_db": "uplink.snr_db"}
MEASURED = (  # whatever a run of the same experiment does
    "uplink.kind=waveform",
    "waveform.channel_from=uplink",
    "radio.loopback.redraw=false",  # new channels are for rounds; a calibration lies within one of them
)
WITHOUT_DATA = "task.partition=class_overlap"  # any number of agents
VIRTUAL_CARRIER, VIRTUAL_AGENTS = 2.4e9, 3
VIRTUAL = "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01"
REAL = (
    "waveform.sample_rate=1e6", "waveform.n_fft=64", "waveform.half_width=25", "waveform.cyclic_prefix=16",
    "waveform.window_lead=6", "waveform.response_s=0.5", "waveform.trigger_lead_s=0.5", "waveform.turnaround_s=0.6",
    "waveform.search_s=0.15", "waveform.round_period_s=4", "radio.pluto.block=16384", "radio.pluto.queue=16",
)  # fmt: skip
"""Slow enough for USB, Python and two cores; a beacon is found at up to 125 kHz, 25 ppm of two radios at 2.5 GHz."""
TIMES = tuple(
    f"waveform.{name}_s" for name in ("response", "trigger_lead", "turnaround", "search", "round_period")
)  # fmt: skip
"""Of a round, which contradict buffers too large for them, and no calibration."""
NEEDED = {
    "radio.pluto.carrier_hz": "HZ",
    "radio.tx.medium": "MEDIUM",
    "radio.tx.authorised_band": "[LOW, HIGH]",
}
"""What nobody may assume, and what stands in its place where a command is suggested."""


def settings_of(uris: tuple[str, ...], has_config: bool) -> list[str]:
    """Return the overrides that URIs stand for.

    Args:
        uris: of radios; empty: those of the experiment.
        has_config: whether an experiment is named; it keeps what it says of waveform, agents and their data.

    Raises:
        ConfigError: a URI is none, or does not go with the others.
    """
    if not uris and not has_config:
        raise ConfigError(["no radio: name an experiment, or --radio URI, for example --radio loopback"])
    if not uris:
        return []
    kind, _, options = uris[0].partition(":")
    if kind in CONTEXTS:
        return _real(uris, has_config)
    if kind not in ("loopback", "pluto"):
        raise ConfigError(
            [f"--radio {uris[0]}: no such kind of radio; write ip:192.168.2.1, usb:1.2.5, pluto or loopback"]
        )
    if len(uris) > 1:
        raise ConfigError([f"--radio: one simulated bench at a time, got {', '.join(uris)}; set agents=N in its URI"])
    chosen = _options(uris[0], options)
    _check_known(uris[0], kind, chosen)
    if kind == "loopback":
        keys = [f"{SHORT.get(key, f'radio.loopback.{key}')}={value}" for key, value in chosen.items()]
        return ["radio.kind=loopback", *([] if has_config else [WITHOUT_DATA]), *keys]
    return _virtual(chosen, has_config)


def unneeded(uris: tuple[str, ...], has_config: bool) -> set[str]:
    """Return the keys that may contradict others, because a calibration does without what they are for."""
    alone = ("radio.pluto.uris",) if is_alone(uris) else ()
    return {"agents.per_round", *(() if has_config else TIMES), *alone}


def is_alone(uris: tuple[str, ...]) -> bool:
    """Return whether URIs name one real radio, which has nobody to talk to."""
    return len(uris) == 1 and uris[0].partition(":")[0] in CONTEXTS


def unstated(problems: Sequence[str], overrides: tuple[str, ...]) -> list[str]:
    """Return overrides for the user to fill in, of what nobody may assume and he has not said."""
    said = {item.partition("=")[0].strip() for item in overrides}
    return [
        f"{key}={place}"
        for key, place in NEEDED.items()
        if key not in said and any(problem.startswith(f"{key}:") for problem in problems)
    ]


def _real(uris: tuple[str, ...], has_config: bool) -> list[str]:
    for uri in uris:
        if not is_uri(uri):
            raise ConfigError([f"--radio: {malformed(uri)}"])
    listed = ", ".join(f"'{uri}'" for uri in uris)
    keys = ["radio.kind=pluto", f"radio.pluto.uris=[{listed}]", "radio.pluto.emulate=false"]
    return keys if has_config else [*keys, f"agents.count={max(len(uris) - 1, 1)}", WITHOUT_DATA, *REAL]


def _virtual(chosen: dict[str, str], has_config: bool) -> list[str]:
    """Return the overrides of virtual Plutos; without an experiment, carrier and permission are chosen, too."""
    keys = ["radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.uris=[]"]
    if not has_config:
        keys += [
            f"radio.pluto.carrier_hz={VIRTUAL_CARRIER:g}",
            f"agents.count={VIRTUAL_AGENTS}",
            WITHOUT_DATA,
            *VIRTUAL,
        ]
        keys += ["radio.tx.medium=cable", "radio.tx.authorised_band=[{:.12g}, {:.12g}]".format(*LO_RANGE)]
    for key, value in chosen.items():
        table = "loopback" if key in Loopback.model_fields and key not in Pluto.model_fields else "pluto"
        keys.append(f"{SHORT.get(key, f'radio.{table}.{key}')}={value}")
    return keys


def _check_known(uri: str, kind: str, chosen: dict[str, str]) -> None:
    """Check the words behind a simulated bench against what they can be there."""
    known = [*SHORT, *Loopback.model_fields, *(Pluto.model_fields if kind == "pluto" else ())]
    for key in chosen:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"{kind}:KEY=VALUE takes keys of radio.{kind}"
            raise ConfigError([f"--radio {uri}: unknown key {key}; {hint}"])


def _options(uri: str, text: str) -> dict[str, str]:
    found = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError([f"--radio {uri}: expected KEY=VALUE after the colon, got {item!r}"])
        found[key] = value
    return found
