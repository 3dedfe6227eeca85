"""What became of one measurement of one radio, and how its numbers are written for people."""

from dataclasses import dataclass
from math import floor, isfinite, log10

from calibration.measurement import Measurement, Quantity

MOST_DECIMALS = 6  # of a number below LEAST, nine of others; what needs more is written with a power of ten
LEAST, MOST = 1e-3, 1e7
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Done:
    """A measurement that was tried.

    Args:
        name: of the radio: "server" or "agent 3".
        kind: of the measurement, as on the command line.
        measurement: its result; None: there is none.
        failure: why there is none; "" when it worked.
        seconds: that it took.
        applies: False if these radios cannot be measured in this way, however well they work.
        origin: where it is from, if it was not measured now.

    Raises:
        ValueError: it has neither a result nor a failure.
    """

    name: str
    kind: str
    measurement: Measurement | None
    failure: str
    seconds: float
    applies: bool = True
    origin: str = ""

    def __post_init__(self) -> None:
        if self.measurement is None and not self.failure:
            raise ValueError(f"{self.name}, {self.kind}: without a measurement there must be a failure, got neither")

    @property
    def word(self) -> str:
        """Its verdict: one of five words, "failed", or "skipped"."""
        if self.measurement is None:
            return "failed" if self.applies else "skipped"
        return self.measurement.verdict.word

    @property
    def reason(self) -> str:
        """What was seen and what to change: of the failure, or of the verdict."""
        return self.failure or ("" if self.measurement is None else self.measurement.verdict.reason)


def written(quantity: Quantity) -> str:
    """Return a quantity as "12.345 ± 0.021 ppm": its uncertainty with two digits, its value to the same place.

    What is known without uncertainty is written without one.
    """
    return f"{_number(quantity.value, quantity.uncertainty)} {quantity.unit}".rstrip()


def _number(value: float, uncertainty: float) -> str:
    if not isfinite(value) or uncertainty == 0:
        return f"{value:.6g}"
    if not isfinite(uncertainty):
        return f"{value:.4g} ± unknown"
    decimals, largest = 1 - floor(log10(float(f"{uncertainty:.1e}"))), max(abs(value), uncertainty)
    if decimals <= MOST_DECIMALS + 3 * (abs(value) >= LEAST) and largest < MOST:
        return f"{value:.{max(decimals, 0)}f} ± {uncertainty:.{max(decimals, 0)}f}"
    power = floor(log10(largest))
    mantissa, doubt, digits = value / 10.0**power, uncertainty / 10.0**power, max(decimals + power, 0)
    return f"({mantissa:.{digits}f} ± {doubt:.{digits}f})·10{str(power).translate(RAISED)}"
