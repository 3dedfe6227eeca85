"""From a configuration to the parts of an experiment: the one place where keys become objects."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from calibration.exchange import Signals
from dsp.metrics import from_db
from dsp.sparsify import count
from fl.algorithms.meta import MetaLearner
from fl.calibrated import Used, calibrated, check_lead
from fl.config import Config, ConfigError, check, dump
from fl.data.base import Dataset, load
from fl.data.episodes import Pool
from fl.data.partition import Partition, by_class, by_class_overlap
from fl.fading import BlockFading
from fl.gradients import Loss
from fl.models import Model, build, parameter_count
from fl.pluto_radios import pluto
from fl.radios import Bench, loopback, modem
from fl.server import ServerOptimizer
from fl.streams import Purpose, stream
from fl.uplink.base import Uplink
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.ideal import IdealUplink
from fl.uplink.symbol import SymbolUplink
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.downlink import downlink
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.recording import Recorder
from fl.uplink.waveform.settings import Modem
from fl.uplink.waveform.stations import Stations
from fl.usrp_radios import usrp

DEFAULT_RICIAN_DB = 6.0


@dataclass(frozen=True)
class Parts:
    """Everything an experiment is made of.

    Args:
        config: where the parts come from.
        dataset: images.
        partition: classes of each agent.
        model: the learned model.
        learner: what an agent computes.
        optimizer: the server's step.
        uplink: the way from the agents to the server.
        calibration: what its radios use of a calibration table; None: nothing.
    """

    config: Config
    dataset: Dataset
    partition: Partition
    model: Model
    learner: MetaLearner
    optimizer: ServerOptimizer
    uplink: Uplink
    calibration: Used | None = None

    @property
    def training_pool(self) -> Pool:
        """Images of each class that may be trained on."""
        return Pool(0, -self.config.task.holdout or None)

    @property
    def heldout_pool(self) -> Pool:
        """Images of each training class that are never trained on."""
        return Pool(-self.config.task.holdout or 0, None)

    def weight(self, agent: int) -> float:
        """Return w_i, the weight of an agent in the mean."""
        if self.config.algorithm.weighting == "uniform":
            return 1.0
        pool = self.training_pool
        sizes = [len(self.dataset.class_images[c][pool.start : pool.stop]) for c in self.partition(agent)]
        return float(sum(sizes)) / float(len(self.dataset.images)) * self.config.agents.count

    def first_theta(self) -> torch.Tensor:
        """Return θ before the first round, shape (d,)."""
        return self.model.init(stream(self.config.seed, Purpose.MODEL)).to(self.config.run.device)


def assemble(config: Config, cache: Path) -> Parts:
    """Return the parts of an experiment.

    Raises:
        DataError: its images are missing or damaged.
        ValueError: the data cannot serve the task.
    """
    dataset = load(config.task.dataset, config.data_root, cache)
    model = build(config.model.kind, config.model.width, config.task.ways)
    precision = torch.bfloat16 if config.run.precision == "bfloat16" else None
    algorithm, server = config.algorithm, config.server
    uplink, used = _uplink(config, model.dimension)
    return Parts(
        config=config,
        dataset=dataset,
        partition=_partition(config, dataset.train_classes),
        model=model,
        learner=MetaLearner(Loss(model, precision), algorithm.inner_lr, algorithm.local_lr, algorithm.order),
        optimizer=ServerOptimizer(server.optimizer, server.lr, server.momentum, algorithm.local_lr),
        uplink=uplink,
        calibration=used,
    )


def unopened(config: Config) -> dict[str, int]:
    """Return the sizes of an experiment without its parts: nothing is opened."""
    length = parameter_count(config.model.kind, config.model.width, config.task.ways)
    kept, symbols = count(config.uplink.sparsity, length), codec(config, length).n_symbols
    return {"parameters": length, "kept_entries": kept, "channel_uses_per_round": symbols}


def _partition(config: Config, classes: np.ndarray) -> Partition:
    task = config.task
    if task.partition == "class":
        rng = stream(config.seed, Purpose.PARTITION)
        return by_class(classes, config.agents.count, task.ways, rng)
    return by_class_overlap(
        classes, task.classes_per_agent, lambda agent: stream(config.seed, Purpose.PARTITION, agent=agent)
    )


def codec(config: Config, length: int) -> Codec:
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


def power_control(config: Config) -> PowerControl:
    """Return the rule by which the server decides who sends, and how strongly."""
    uplink = config.uplink
    return PowerControl(
        rule=uplink.power_rule,
        noise_var=1 / from_db(uplink.snr_db),
        min_gain=uplink.min_gain,
        min_headroom=from_db(uplink.min_headroom_db),
        max_norm_ratio=uplink.max_norm_ratio,
        mean_amplitude=_fading(config).mean_amplitude,
    )


def _fading(config: Config) -> BlockFading:
    fading = config.uplink.fading
    k_factor_db = DEFAULT_RICIAN_DB if fading.k_factor_db is None else fading.k_factor_db
    return BlockFading(fading.kind, from_db(k_factor_db))


def build_uplink(config: Config, length: int) -> Uplink:
    """Return the uplink of updates of d entries.

    Raises:
        TableError: a calibration is asked for and does not hold.
    """
    return _uplink(config, length)[0]


def _uplink(config: Config, length: int) -> tuple[Uplink, Used | None]:
    uplink = config.uplink
    k = count(uplink.sparsity, length)
    if uplink.kind == "ideal":
        return IdealUplink(k if uplink.ideal_top_k else length), None
    symbols, control = codec(config, length), power_control(config)
    if uplink.kind == "waveform":
        on_air, used = _stations(config)
        link = WaveformUplink(symbols, k, control, on_air)
        if config.waveform.channel_from == "downlink":
            link.round_of = downlink({} if used is None else used.ratios)
        return link, used
    return SymbolUplink(symbols, k, control, _fading(config), uplink.fading.blocks), None


def stations(config: Config) -> Stations:
    """Return the radios of a waveform run, calibrated if that is asked for, and nothing that they remember yet.

    Raises:
        ConfigError: the uplink has no radios.
        TableError: the calibration does not hold.
    """
    if config.uplink.kind != "waveform":
        raise _without_radios(config)
    return _stations(config)[0]


def _stations(config: Config) -> tuple[Stations, Used | None]:
    about, bench = open_radios(config)
    ratios = config.waveform.channel_from == "downlink"
    signals = Signals(about.numerology, about.carrier, about.level, about.delay_spread, false_alarm=about.false_alarm)
    bench, used = calibrated(bench, config.agents.count, config.calibration, datetime.now(UTC), ratios, signals)
    on_air = Stations(about, bench.server, bench.radio_of, bench.runs_on, bench.breaks)
    if used is not None:
        check_lead(bench, config.agents.count, about.response - LISTENING, about.sample_rate)
        on_air.renew = used.renew
        if used.renewed:
            on_air.catch_up(0)
    return on_air, used


def open_radios(config: Config) -> tuple[Modem, Bench]:
    """Return the waveform of a configuration and its radios, as they come."""
    air, snr = config.radio.loopback, from_db(config.uplink.snr_db)
    about = modem(config.waveform, config.radio.carrier)
    redraw = config.waveform.round_period_s if air.redraw else 0.0
    if config.radio.kind == "pluto":
        noise_var = about.level**2 * from_db(air.gain_db) / snr
        return about, pluto(config.radio, config.agents.count, about, noise_var, redraw, config.seed)
    if config.radio.kind == "usrp":
        return about, usrp(config.radio, config.agents.count, about)
    return about, loopback(air, about.sample_rate, about.level, snr, redraw, config.seed)


def record_rounds(parts: Parts, folder: Path, every: int) -> None:
    """Let the server keep in `folder` what it receives in every `every`-th round.

    Raises:
        ConfigError: the uplink has no radios.
    """
    if not isinstance(parts.uplink, WaveformUplink):
        raise _without_radios(parts.config)
    carrier = parts.uplink.stations.modem.carrier
    parts.uplink.observe = Recorder(folder, every, dump(parts.config), carrier)


def _without_radios(config: Config) -> ConfigError:
    kind = config.uplink.kind
    return ConfigError([f"uplink.kind: only waveform goes through radios, got {kind}; set uplink.kind = waveform"])


def with_evaluation(parts: Parts, changed: dict[str, int]) -> Parts:
    """Return the parts with other evaluation settings, checked like those of a file.

    Raises:
        ConfigError: the settings do not fit the task.
    """
    content = parts.config.model_dump(mode="json")
    content["evaluation"] |= changed
    return replace(parts, config=check(content))
