import pytest

from fl.config import ConfigError, load
from tests.tools.search.problem import EXPERIMENT
from tools.search.budget import Budget, InfeasibleError, parse_budget
from tools.search.defaults import default_axes
from tools.search.space import Axis, check_axes, parse, refusal, takes_whole_numbers, values_of


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT)
    return path


def keys(base, *overrides):
    return {axis.key for axis in default_axes(load(base, overrides), base, overrides)}


@pytest.mark.parametrize(
    ("text", "current", "axis"),
    [
        ("server.lr=0.1:10:log", 1.0, Axis("server.lr", "ratio", 0.1, 10.0)),
        ("uplink.snr_db=-3:30", 19.0, Axis("uplink.snr_db", "real", -3.0, 30.0)),
        ("agents.per_round=1:4", None, Axis("agents.per_round", "real", 1.0, 4.0)),
        ("algorithm.local_steps=1:4", 1, Axis("algorithm.local_steps", "whole", 1.0, 4.0)),
        ("uplink.snr_db=0:30", 19.0, Axis("uplink.snr_db", "real", 0.0, 30.0)),
        ("uplink.receiver= oamp, lmmse", "oamp", Axis("uplink.receiver", "choice", choices=("oamp", "lmmse"))),
    ],
)
def test_a_range_or_choices_are_read_as_they_are_written(text, current, axis):
    assert parse(text, current) == axis
    assert parse(str(axis), current) == axis


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server.lr", "expected KEY=LOW:HIGH"),
        ("server.lr=", "expected KEY=LOW:HIGH"),
        ("server.lr=1", "one value leaves no choice; write --set server.lr=1"),
        ("server.lr=1,1", "one value leaves no choice"),
        ("server.lr=2:1", "LOW must be below HIGH, got 2 and 1"),
        ("server.lr=1:1", "an empty range"),
        ("server.lr=nan:1", "an empty range"),
        ("server.lr=0:1:log", "needs LOW above 0, got 0"),
        ("server.lr=1:2:ln", "got :ln"),
        ("server.lr=a:b", "LOW and HIGH must be numbers"),
        ("server.lr=1:inf", "must be finite"),
        ("algorithm.local_steps=1.5:3", "whole numbers only"),
        ("algorithm.local_steps=1:4:log", "or give some, KEY=1,2,4"),
        ("uplink.power_rule=1:2", "no number (now inversion), which has no range; give values, uplink.power_rule=A,B"),
        ("uplink.ideal_top_k=0:1", "no number (now false)"),
    ],
)
def test_what_is_no_range_is_refused_by_name(base, text, says):
    with pytest.raises(ConfigError) as caught:
        parse(text, values_of(load(base)).get(text.partition("=")[0]))
    assert says in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        (Axis("uplink.sparsty", "ratio", 0.1, 0.2), "did you mean uplink.sparsity"),
        (Axis("uplink.sparsity", "ratio", 2.0, 3.0), "less than or equal to 1"),
        (Axis("uplink.receiver", "choice", choices=("omp", "lms")), "'omp'"),
        (Axis("seed", "whole", 1, 5), "use --set"),
        (Axis("evaluation.tasks", "whole", 2, 5), "use --set"),
        (Axis("uplink.prior", "choice", choices=("gaussian_mixture", "flat")), "got 'flat'"),
        (Axis("uplink.memory", "real", 0.0, 1.0), "valid boolean"),
        (Axis("server.lr", "real", 0.0, 1.0), "greater than 0"),
        (Axis("uplink.memory", "choice", choices=("true", "flase")), "got 'flase'"),
        (Axis("uplink", "real", 1.0, 2.0), "a table; vary one of its keys, uplink."),
        (Axis("uplink.power_rule", "choice", choices=("inversion", "none")), None),
    ],
)
def test_a_key_that_the_experiment_does_not_know_or_take_is_named(base, axis, says):
    if says is None:  # one of its values will do
        check_axes([axis], base, ())
        return
    with pytest.raises(ConfigError) as caught:
        check_axes([axis], base, ())
    assert says in str(caught.value)


def test_a_key_without_a_value_is_known_to_be_of_whole_numbers(base):
    assert takes_whole_numbers("agents.per_round", base, ())
    assert not takes_whole_numbers("uplink.min_gain", base, ())


def test_a_key_given_twice_is_named(base):
    axis = Axis("server.lr", "ratio", 0.1, 1.0)
    with pytest.raises(ConfigError, match="given twice"):
        check_axes([axis, axis], base, ())


def test_values_are_short_and_within_their_range():
    axis = Axis("server.lr", "ratio", 0.123456, 0.654321)
    assert axis.spelt(0.3333333) == "0.3333"
    assert float(axis.spelt(0.123456)) >= axis.low
    assert float(axis.spelt(0.654321)) <= axis.high


def test_k_m_rates_and_power_floor_are_varied_by_default(base):
    always = {"uplink.sparsity", "uplink.measurements", "server.lr", "algorithm.inner_lr", "uplink.min_headroom_db"}
    assert keys(base) == always | {"algorithm.local_lr"}
    assert keys(base, "uplink.fading.blocks=8") == always | {"algorithm.local_lr", "uplink.min_gain"}
    assert keys(base, "server.optimizer=adam", "server.lr=0.01") == always  # η cancels in Δ/η
    assert "algorithm.inner_lr" not in keys(base, "algorithm.kind=fedavg", "algorithm.order=exact")


def test_what_the_experiment_would_refuse_whatever_its_value_is_not_varied(base):
    mmse = keys(base, "uplink.power_rule=mmse", "uplink.fading.blocks=8")
    assert "uplink.min_gain" not in mmse
    assert "uplink.sparsity" in mmse


def test_every_default_range_holds_what_the_experiment_has(base):
    config = load(base)
    for axis in default_axes(config, base, ()):
        table, key = axis.key.split(".")
        assert axis.holds(getattr(getattr(config, table), key))
        assert refusal(axis, base, ()) is None


def test_a_budget_in_parameters_is_that_of_the_experiment(base):
    config = load(base)
    own = Budget("none").of_round(config)
    assert parse_budget("0.4d", None, False, config) == Budget("round", own)
    assert parse_budget(None, str(10 * own), False, config).rounds(config) == 10
    assert parse_budget(None, str(10 * own - 1), False, config).rounds(config) == 9
    assert parse_budget(None, str(10 * own - 1), False, config) == Budget("total", 9 * own)  # for what is compared, too
    assert Budget("none").rounds(config) == config.rounds


def test_pilots_and_soundings_count_only_if_asked(base):
    config = load(base)
    assert Budget("total", 10**6, overhead=True).of_round(config) > Budget("total", 10**6).of_round(config)


@pytest.mark.parametrize(
    ("per_round", "total", "says"),
    [
        ("100", None, "less than one round of the experiment as it is"),
        (None, "100", "less than one round of the experiment as it is"),
        (None, "0", "at least one channel use"),
        (None, "-3d", "at least one channel use"),
        ("much", None, "expected channel uses"),
        ("nan", None, "at least one channel use"),
        ("1000", "1000", "one or the other"),
    ],
)
def test_a_budget_that_cannot_be_is_refused_by_name(base, per_round, total, says):
    with pytest.raises(ConfigError) as caught:
        parse_budget(per_round, total, False, load(base))
    assert says in str(caught.value)


def test_a_setting_beyond_the_budget_is_told_both_numbers(base):
    config = load(base)
    uses = Budget("none").of_round(config)
    with pytest.raises(InfeasibleError, match=rf"a round takes {uses:,} channel uses, the budget has {uses - 1:,}"):
        Budget("total", uses - 1).rounds(config)


def test_an_uplink_without_channel_uses_is_refused_with_the_reason(base):
    with pytest.raises(ConfigError, match="ideal has no channel uses"):
        parse_budget(None, "4d", False, load(base, ["uplink.kind=ideal"]))
    with pytest.raises(ConfigError, match="ideal has no channel uses"):
        parse_budget(None, None, False, load(base, ["uplink.kind=ideal"]))
