"""What a real AD9363 rounds, shares and refuses, and a server that only stores values would not."""

import errno

import pytest

from tests.radio.emulation.wire import RATE, RX, noise, tune

PHY = "iio:device0"
RX_GAIN, TX_GAIN = f"{PHY} INPUT voltage0 hardwaregain", f"{PHY} OUTPUT voltage0 hardwaregain"
MODE = f"{PHY} INPUT voltage0 gain_control_mode"
RX_LO, TX_LO = f"{PHY} OUTPUT altvoltage0 frequency", f"{PHY} OUTPUT altvoltage1 frequency"
RATES = [f"{PHY} {scope} voltage0 sampling_frequency" for scope in ("INPUT", "OUTPUT")]
FIR = f"{PHY} INPUT out voltage_filter_fir_en"
TAPS = "RX 3 GAIN -6 DEC 4\nTX 3 GAIN 0 INT 4\n" + 16 * "1,1\n"


@pytest.fixture
def client(host, connect):
    return connect(host.uris[0])


@pytest.mark.parametrize(
    "where, wish, read",
    [
        (TX_GAIN, "-30", "-30.000000 dB"),
        (TX_GAIN, "-30.3", "-30.250000 dB"),
        (TX_GAIN, "0", "0.000000 dB"),
        (TX_GAIN, "-89.75", "-89.750000 dB"),
        (TX_LO, "2400000000", "2400000000"),
        (f"{PHY} INPUT voltage0 rf_bandwidth", "5000000", "5000000"),
        (f"{PHY} INPUT voltage0 rf_bandwidth", "56000000", "20000000"),
        (f"{PHY} OUTPUT TX_LO powerdown", "1", "1"),
        (f"{PHY} xo_correction", "40000100", "40000100"),
        ("cf-ad9361-dds-core-lpc OUTPUT altvoltage0 scale", "0.3", "0.299988"),
        ("cf-ad9361-dds-core-lpc OUTPUT altvoltage0 phase", "360000", "0"),
    ],
)
def test_values_read_back_as_the_chip_has_them(client, where, wish, read):
    assert client.write(where, wish) == len(wish) + 1
    assert client.read(where) == read


@pytest.mark.parametrize(
    "where, wish",
    [
        (TX_GAIN, "0.25"),
        (TX_GAIN, "-90"),
        (TX_GAIN, "nan"),
        (RX_LO, "324999999"),
        (TX_LO, "3800000001"),
        (TX_LO, ""),
        (RATES[0], "2083000"),
        (RATES[0], "61440001"),
        (MODE, "loud"),
        (FIR, "1"),
        (f"{PHY} filter_fir_config", "taps"),
        (f"{PHY} xo_correction", "41000000"),
        (f"{PHY} ensm_mode", "away"),
        (f"{PHY} DEBUG loopback", "3"),
        ("iio:device2 OUTPUT altvoltage0 frequency", "30000000"),
        ("iio:device2 OUTPUT altvoltage0 scale", "2"),
        ("iio:device2 DEBUG direct_reg_access", "many"),
    ],
)
def test_what_the_driver_refuses_is_refused_and_changes_nothing(client, where, wish):
    before = client.read(where)
    assert client.write(where, wish) == -errno.EINVAL
    assert client.read(where) == before


@pytest.mark.parametrize("wish", [325e6, 915_000_001, 2_437_123_457, 3_799_999_999])
def test_the_synthesizer_takes_the_step_next_to_the_wish(client, wish):
    """2·40 MHz/8388593 at a VCO of at most 12 GHz: 4.8 Hz at the most at 3.8 GHz; half of it, then truncated."""
    assert client.write(RX_LO, int(wish)) > 0
    assert -3.4 <= int(client.read(RX_LO)) - wish <= 2.4


def test_manual_gain_is_whole_within_the_band_and_refused_under_automatic_control(client):
    assert client.write(RX_GAIN, 30) == -errno.EOPNOTSUPP
    assert client.write(MODE, "manual") > 0
    assert client.write(RX_GAIN, "30.9") > 0
    assert client.read(RX_GAIN) == "30.000000 dB"
    assert client.write(RX_GAIN, 72) == -errno.EINVAL
    assert client.write(RX_LO, 900_000_000) > 0
    assert client.write(RX_GAIN, 73) > 0
    assert client.write(RX_LO, 2_400_000_000) > 0
    assert client.read(RX_GAIN) == "71.000000 dB"


def test_both_directions_share_one_sampling_clock(client):
    assert client.write(RATES[0], 5_000_000) > 0
    assert [client.read(where) for where in RATES] == ["5000000"] * 2
    assert client.write(RATES[1], 6_000_000) > 0
    assert [client.read(where) for where in RATES] == ["6000000"] * 2
    assert client.read(f"{RX} INPUT voltage0 sampling_frequency") == "6000000"


def test_low_rates_need_the_filter_and_the_filter_stays_while_they_last(client):
    assert client.write(RATES[0], 1_000_000) == -errno.EINVAL
    assert client.write(f"{PHY} filter_fir_config", TAPS) > 0
    assert client.read(f"{PHY} filter_fir_config") == "FIR Rx: 128,4 Tx: 128,4"
    assert client.write(FIR, 1) > 0
    assert client.write(RATES[0], 1_000_000) > 0
    assert client.write(FIR, 0) == -errno.EINVAL
    assert client.write(RATES[0], 3_000_000) > 0
    assert client.write(FIR, 0) > 0
    words = client.read(f"{PHY} tx_path_rates").split()
    assert [word.split(":")[0] for word in words] == ["BBPLL", "DAC", "T2", "T1", "TF", "TXSAMP"]
    assert words[-1] == "TXSAMP:3000000"


def test_automatic_gain_brings_a_signal_to_its_level(host, connect):
    control = [connect(uri) for uri in host.uris]
    for one in control:
        tune(one)
    sender, hearer = (connect(uri) for uri in host.uris)
    wave = noise(4096, rms=0.01)
    assert sender.open("iio:device2", 4096, "CYCLIC") == 0
    assert sender.transmit(wave) == 4 * 4096
    assert control[1].write(MODE, "slow_attack") > 0
    assert hearer.open(RX, 4096) == 0
    levels = [abs(hearer.receive(4096)).max() for _ in range(30)]
    assert levels[-1] > 4 * levels[1]
    assert levels[-1] < 2048 * 1.5
    assert 40 < float(control[1].read(RX_GAIN).split()[0]) < 71


def test_attributes_have_the_same_value_under_ids_and_names(client):
    assert client.write("ad9361-phy OUTPUT RX_LO frequency", 1_000_000_000) > 0
    assert client.read(RX_LO) == client.read("ad9361-phy OUTPUT altvoltage0 frequency") == "1000000000"
    assert client.write("ad9361-phy OUTPUT voltage0 sampling_frequency", RATE) > 0
