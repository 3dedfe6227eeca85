"""What the keys of the table `uplink` are to the parts of an uplink."""

from typing import TYPE_CHECKING

from dsp.metrics import from_db
from dsp.sparsify import count
from fl.fading import BlockFading
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.multiple_access import MultipleAccess

if TYPE_CHECKING:
    from fl.config import Config

DEFAULT_RICIAN_DB = 6.0


def kept_entries(config: "Config", length: int) -> int:
    """Return k, the entries of an update of `length` entries that are sent."""
    return count(config.uplink.sparsity, length)


def codec(config: "Config", length: int) -> Codec:
    """Return what turns updates of `length` entries into symbols and back."""
    uplink = config.uplink
    return Codec(
        length=length,
        n_symbols=length if uplink.sensing == "identity" else count(uplink.measurements, length),
        sensing=uplink.sensing,
        receiver=uplink.receiver,
        prior=uplink.prior,
        seed=config.seed,
    )


def power_control(config: "Config") -> PowerControl:
    """Return the rule by which the server decides who sends, and how strongly."""
    uplink = config.uplink
    return PowerControl(
        rule=uplink.power_rule,
        noise_var=1 / from_db(uplink.snr_db),
        min_gain=uplink.min_gain,
        min_headroom=from_db(uplink.min_headroom_db),
        max_norm_ratio=uplink.max_norm_ratio,
        mean_amplitude=fading_law(config).mean_amplitude,
    )


def fading_law(config: "Config") -> BlockFading:
    """Return the law of the gains of a simulated channel."""
    fading = config.uplink.fading
    k_factor_db = DEFAULT_RICIAN_DB if fading.k_factor_db is None else fading.k_factor_db
    return BlockFading(fading.kind, from_db(k_factor_db))


def multiple_access(config: "Config", control: PowerControl) -> MultipleAccess:
    """Return the simulated channel on which symbols add up, under a rule for who sends."""
    return MultipleAccess(control, fading_law(config), config.uplink.fading.blocks, config.seed)
