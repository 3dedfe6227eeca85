"""The table of a configuration about the way from agents to server, and what `symbol` and the baselines simulate."""

from typing import Literal

from pydantic import Field, PositiveInt

from fl.section import Decibel, Fraction, Positive, Section


class Fading(Section):
    """The channel of `symbol`: constant over a block of a round, normalised to E|h|² = 1."""

    kind: Literal["rayleigh", "rician", "none"] = Field("rayleigh", description="law of |h|; none: h = 1")
    k_factor_db: Decibel | None = Field(None, description="Rician K in dB; only with kind = rician, default 6")
    blocks: PositiveInt = Field(1, description="independent fading blocks in the payload of a round")


class Digital(Section):
    """What only the uplink `digital` uses."""

    limit: Literal["energy", "peak"] = Field(
        "energy", description="energy: an agent spends M·P a round, as analog ones may; peak: P in each of its uses"
    )


class Uplink(Section):
    """How updates reach the server."""

    kind: Literal["ideal", "digital", "one_bit", "symbol", "airfl_mem", "waveform"] = Field(
        "symbol",
        description="ideal: error-free; symbol: y = Σ h_i x_i + n; waveform: OFDM through radios; baselines over the "
        "channel of symbol: digital: each agent at capacity in uses of its own; one_bit: majority vote of signs; "
        "airfl_mem: entries as they are, and a memory of those that a fade erases",
    )
    sparsity: Fraction = Field(0.04, description="k/d, kept entries of an update")
    measurements: Fraction = Field(0.4, description="M/d, complex channel uses of a round per parameter")
    sensing: Literal["partial_dft", "random_rows", "gaussian", "identity"] = Field(
        "partial_dft",
        description="map from update to symbols; random_rows only reproduces P1; gaussian with receiver amp is A-DSGD; "
        "identity needs M = d",
    )
    ideal_top_k: bool = Field(False, description="apply top-k on the ideal uplink as well")
    snr_db: Decibel = Field(19.0, description="P/σ² of each agent at E|h|² = 1 (simulation)")
    power_rule: Literal["inversion", "phase_only", "mmse", "none"] = Field(
        "inversion", description="how an agent compensates its channel"
    )
    min_gain: Positive | None = Field(
        None,
        description="|h|² below which inversion stays silent; default 1/(agents · SNR), the optimum, or Lambert's "
        "threshold of airfl_mem",
    )
    min_headroom_db: Decibel = Field(3.0, description="agents whose P/(σ²·mean 1/|h|²) is lower sit the round out")
    max_norm_ratio: float = Field(5.0, ge=1, description="an update longer than this times the median is scaled down")
    receiver: Literal["oamp", "lmmse", "amp"] = Field(
        "oamp", description="how the server recovers the sum; amp, with soft thresholds, needs sensing gaussian"
    )
    prior: Literal["bernoulli_gaussian", "gaussian_mixture"] = Field(
        "bernoulli_gaussian", description="prior of OAMP, fitted by EM"
    )
    memory: bool | None = Field(
        None, description="keep what was not sent (error feedback); default: all but one_bit, whose paper has none"
    )
    digital: Digital = Digital()
    fading: Fading = Fading()

    @property
    def remembers(self) -> bool:
        """Whether agents keep what was not sent."""
        return self.kind != "one_bit" if self.memory is None else self.memory
