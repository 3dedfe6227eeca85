"""What an AD9363 makes of a wish: steps, limits, refusals. Pure functions.

Sources: the drivers `ad9361.c` and `cf_axi_dds.c` of Analog Devices' kernel (what they refuse, clamp and round), the
data sheet (ranges), the context of a real unit. From memory, not from these: EOPNOTSUPP for a manual gain in an AGC
mode (older drivers ignore it and report success), and the refusal to switch the FIR off below 2.083 MS/s.
"""

import errno
import math

from radio.emulation.protocol import RefusedError

REFERENCE = 40_000_000  # Hz, of the crystal
TRIM_RANGE = 8_000  # Hz either side
LO_RANGE = (325_000_000, 3_800_000_000)
RATE_RANGE = (25_000_000 / 12, 61_440_000)
FIR_RATE_LOW = 25_000_000 / 48
BANDWIDTH_RANGE = (200_000, 20_000_000)
MAX_ATTENUATION_MDB, ATTENUATION_STEP_MDB = 89_750, 250
VCO_LOW, MODULUS = 6_000_000_000, 8_388_593
GAIN_MODES = ("manual", "fast_attack", "slow_attack", "hybrid")


def number(text: str) -> float:
    """Return the number a driver would read.

    Raises:
        RefusedError: EINVAL, there is none.
    """
    word = text.strip().partition(" ")[0]
    try:
        found = float(word)
    except ValueError as error:
        raise RefusedError(errno.EINVAL) from error
    if not math.isfinite(found) or "_" in word:
        raise RefusedError(errno.EINVAL)
    return found


def switch(text: str) -> bool:
    """Return what the kernel's `strtobool` makes of a text.

    Raises:
        RefusedError: EINVAL.
    """
    word = text.strip().lower()
    if word in ("1", "y", "yes", "on"):
        return True
    if word in ("0", "n", "no", "off"):
        return False
    raise RefusedError(errno.EINVAL)


def local_oscillator(text: str) -> int:
    """Return the frequency in Hz that the synthesizer makes of a wish: within 4 Hz of it, whole Hz rounded down.

    The fractional divider counts in 2·f_ref/8388593 at the VCO, which runs at 6 to 12 GHz.

    Raises:
        RefusedError: EINVAL, outside of 325 MHz to 3.8 GHz.
    """
    wish = number(text)
    if not LO_RANGE[0] <= wish <= LO_RANGE[1]:
        raise RefusedError(errno.EINVAL)
    divider = 1 << math.ceil(math.log2(VCO_LOW / wish))
    counts = math.floor(int(wish) * divider * MODULUS / (2 * REFERENCE) + 0.5)
    return int(counts * 2 * REFERENCE / MODULUS / divider)


def sample_rate(text: str, fir: bool) -> int:
    """Return the rate of the one clock in Hz.

    Raises:
        RefusedError: EINVAL, below 2.083 MS/s (0.521 with the FIR) or above 61.44.
    """
    wish = number(text)
    low = FIR_RATE_LOW if fir else RATE_RANGE[0]
    if not math.floor(low) <= wish <= RATE_RANGE[1]:
        raise RefusedError(errno.EINVAL)
    return int(wish)


def bandwidth(text: str) -> int:
    """Return the bandwidth in Hz; the driver takes the nearest it has, and says nothing."""
    return int(min(max(number(text), BANDWIDTH_RANGE[0]), BANDWIDTH_RANGE[1]))


def attenuation_mdb(text: str) -> int:
    """Return the attenuation in thousandths of a dB for a gain of at most 0 dB, in steps of 0.25 dB, rounded down.

    Raises:
        RefusedError: EINVAL, a positive gain or below −89.75 dB.
    """
    wish = number(text)
    if wish > 0 or round(-1000 * wish) > MAX_ATTENUATION_MDB:
        raise RefusedError(errno.EINVAL)
    return round(-1000 * wish) // ATTENUATION_STEP_MDB * ATTENUATION_STEP_MDB


def gain_range(carrier: float) -> tuple[int, int]:
    """Return the least and the largest gain of the receiver in dB at a carrier in Hz."""
    return (-1, 73) if carrier <= 1_300_000_000 else (-3, 71)


def receive_gain(text: str, mode: str, carrier: float) -> int:
    """Return the gain of the receiver in dB, whole ones: the driver drops the fraction.

    Raises:
        RefusedError: EOPNOTSUPP in an AGC mode, EINVAL outside of the range at this carrier.
    """
    wish = int(number(text))
    if mode != "manual":
        raise RefusedError(errno.EOPNOTSUPP)
    low, high = gain_range(carrier)
    if not low <= wish <= high:
        raise RefusedError(errno.EINVAL)
    return wish


def trim(text: str) -> int:
    """Return the frequency in Hz that the driver believes the crystal to have.

    Raises:
        RefusedError: EINVAL, more than 200 ppm away.
    """
    wish = int(number(text))
    if abs(wish - REFERENCE) > TRIM_RANGE:
        raise RefusedError(errno.EINVAL)
    return wish


def choice(text: str, options: tuple[str, ...]) -> str:
    """Return one of the options.

    Raises:
        RefusedError: EINVAL, it is none of them.
    """
    if text.strip() not in options:
        raise RefusedError(errno.EINVAL)
    return text.strip()


def path_rates(rate: int, fir: int, converter: str) -> str:
    """Return the clocks from the PLL down to the samples, as `rx_path_rates` and `tx_path_rates` show them."""
    clocks = [rate, rate * fir]
    for _ in range(2):
        clocks.append(clocks[-1] * (2 if clocks[-1] < 60_000_000 else 1))
    clocks.append(clocks[-1] * (2 if converter == "ADC" and clocks[-1] < 200_000_000 else 1))
    pll = clocks[-1]
    while pll < 715_000_000:
        pll *= 2
    names = ("ADC", "R2", "R1", "RF", "RXSAMP") if converter == "ADC" else ("DAC", "T2", "T1", "TF", "TXSAMP")
    stages = [clocks[4], clocks[3], clocks[2], clocks[1], clocks[0]]
    return " ".join([f"BBPLL:{pll}", *(f"{name}:{clock}" for name, clock in zip(names, stages, strict=True))])
