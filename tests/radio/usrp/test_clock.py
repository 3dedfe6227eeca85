"""One time for all boards: the order of calls, and what keeps it from being had."""

import numpy as np
import pytest

from radio.base import RadioError
from radio.usrp.sources import Sources
from tests.radio.usrp.virtual import Virtual

EXTERNAL = Sources("external", "external")


def first(names, name, after=0):
    return names.index(name, after)


def test_boards_are_synchronised_in_the_order_that_uhd_asks_for():
    host = Virtual(3)
    host.open()
    names, calls = host.notes.names(), host.notes.calls
    order = (
        "find", "MultiUSRP", "get_rx_freq_range", "get_clock_sources", "set_clock_source", "set_time_source",
        "get_clock_source", "get_mboard_sensor", "set_rx_rate", "set_tx_rate", "get_time_last_pps",
        "set_time_next_pps", "get_time_synchronized", "set_command_time", "set_rx_freq", "clear_command_time",
        "get_rx_stream", "issue_stream_cmd",
    )  # fmt: skip
    places = [first(names, name) for name in order]
    assert places == sorted(places), list(zip(order, places, strict=True))
    assert {args for name, args in calls if name == "set_clock_source"} == {("external", n) for n in range(3)}
    assert names.count("set_time_next_pps") == 1
    after = first(names, "set_time_next_pps")
    spoils = {"set_clock_source", "set_time_source", "set_rx_rate", "set_tx_rate"}
    assert not spoils & set(names[after:]), "a new clock moves the time that was set"
    host.close()


@pytest.mark.parametrize("phase", [0.0, 0.005, 0.37, 0.995])
def test_whole_seconds_are_at_the_edges_wherever_these_are(phase):
    host = Virtual(2, phase=phase)
    host.open()
    world = host.world
    for board in host.boards:
        assert board.last_pps() == round(board.last_pps())
        assert (board.time - (world.now - world.last_edge())) % 1 == pytest.approx(0, abs=1e-6)
    assert host.boards[0].time == host.boards[1].time
    host.close()


def test_clock_and_time_may_come_from_different_places():
    host = Virtual(2)
    host.open(manner=host.manner(Sources("external", "gpsdo")))
    assert {(board.clock_source, board.time_source) for board in host.boards} == {("external", "gpsdo")}
    host.close()


def test_devices_of_their_own_get_one_time_too():
    """Several units that UHD cannot drive as one, such as B210s."""
    host = Virtual(3)
    host.open(tuple(f"serial=S{number}" for number in range(3)))
    assert len({board.time for board in host.boards}) == 1
    assert len({radio.now() for radio in host.radios}) == 1
    host.close()


def test_a_mimo_cable_makes_the_second_board_follow_the_first():
    host = Virtual(2)
    host.open(manner=host.manner(Sources("mimo", "mimo")))
    assert [board.clock_source for board in host.boards] == ["internal", "mimo"]
    assert "set_time_next_pps" not in host.notes.names()
    assert host.boards[0].time == host.boards[1].time
    host.close()


def test_mixers_of_all_channels_are_tuned_at_one_command_time_and_it_is_cleared():
    host = Virtual(3)
    host.open()
    times = {time for part in host.parts for _, time in part.tuned_at}
    assert len(times) == 1
    assert None not in times
    assert [len(part.tuned_at) for part in host.parts] == [2, 2, 2]
    names = host.notes.names()
    assert names.count("set_command_time") == names.count("clear_command_time") == 3
    host.close()


def test_many_channels_are_tuned_and_started_at_one_time_although_each_takes_its_time():
    """A command that comes too late is carried out at once, and a stream that does says so."""
    host = Virtual(8, call_time=0.02)
    host.open()
    assert len({time for part in host.parts for _, time in part.tuned_at}) == 1
    assert len({radio.now() for radio in host.radios}) == 1
    for radio in host.radios:
        radio.receive(100, radio.now())
    host.close()


def spoiled(change, sources=EXTERNAL, boards=2, args=None):
    host = Virtual(boards)
    change(host.boards[-1])
    with pytest.raises(RadioError) as caught:
        host.open(args, manner=host.manner(sources))
    assert "get_rx_stream" not in host.notes.names(), "refused before anything streams"
    return str(caught.value)


def set_to(**values):
    def change(board):
        for name, value in values.items():
            setattr(board, name, value)

    return change


@pytest.mark.parametrize("change, sources, said", [
    (set_to(has_pps=False), EXTERNAL, ("radio S1 (addr0=", "a PPS must come every second", "cable at PPS IN")),
    (set_to(is_locked=False), EXTERNAL, ("radio S1 (addr0=", "ref_locked must be true within 5 s", "REF IN")),
    (set_to(is_locked=False), Sources("mimo", "mimo"), ("radio S1", "ref_locked must be true", "the MIMO cable")),
    (set_to(has_satellites=False), Sources("gpsdo", "gpsdo"),
     ("radio S1", "gps_locked must be true within 5 s", "its satellites")),
    (set_to(has_satellites=False), Sources("external", "gpsdo"), ("radio S1", "gps_locked must be true")),
    (set_to(stubborn={"gps_locked": None}), Sources("gpsdo", "gpsdo"), ("radio S1", "the sensor gps_locked, got none")),
    (set_to(stubborn={"mimo_locked": None}), Sources("mimo", "mimo"), ("radio S1", "the sensor mimo_locked, got none")),
    (set_to(sources=("internal", "external")), Sources("gpsdo", "gpsdo"),
     ("radio S1 (addr0=", "radio.usrp.clock_source must be one of internal, external, got gpsdo")),
    (set_to(stubborn={"clock_source": "internal"}), EXTERNAL,
     ("radio S1", "must read back external, external, got internal, external")),
    (set_to(stubborn={"time_source": "internal"}), EXTERNAL, ("radio S1", "got external, internal")),
    (set_to(stubborn={"ref_locked": None}), EXTERNAL, ("radio S1", "the sensor ref_locked, got none")),
    (set_to(), Sources("internal", "internal"), ("2 motherboards of one device must share their time", "mimo")),
])  # fmt: skip
def test_what_is_wrong_with_clock_or_pulse_is_named_with_the_remedy(change, sources, said):
    text = spoiled(change, sources)
    for part in said:
        assert part in text, text


def test_a_board_that_misses_the_edge_is_noticed():
    host = Virtual(2)
    host.boards[1].set_next = lambda second: None
    with pytest.raises(RadioError, match=r"must have one time, got get_time_synchronized\(\) = False.*PPS of one dist"):
        host.open()


def test_a_device_that_kept_its_time_from_an_earlier_run_is_noticed():
    """Its seconds are whole at the edges, but they are others."""
    host = Virtual(2)
    host.boards[1].set_next = lambda second: None
    host.boards[1].change_master_clock = lambda: None
    host.boards[1].starts_at = 57 - host.world.phase
    with pytest.raises(RadioError, match=r"must have one time, .* 0\.0* s, 58\.0* s; give all of them the PPS of one"):
        host.open(("serial=S0", "serial=S1"))


def test_a_gpsdo_that_has_nobody_to_agree_with_needs_no_satellites():
    host = Virtual(1)
    host.boards[0].has_satellites = False
    host.open(manner=host.manner(Sources("gpsdo", "gpsdo")))
    host.close()


def test_a_mimo_cable_joins_two_boards_only():
    host = Virtual(3)
    with pytest.raises(RadioError, match="MIMO cable joins the two motherboards of one device, got 3"):
        host.open(manner=host.manner(Sources("mimo", "mimo")))
    with pytest.raises(ValueError, match="set both to mimo"):
        Sources("mimo", "external")


def test_a_reference_that_is_lost_later_keeps_the_radio_from_sending():
    host = Virtual(2)
    sender, _ = host.open()
    host.boards[0].is_locked = False
    with pytest.raises(RadioError, match=r"radio S0:0 .*ref_locked must be true to send"):
        sender.transmit(np.full(100, 0.1, np.complex64), sender.now() + sender.lead_time)
    assert not host.parts[0].radiated
    host.close()


def test_a_reference_that_is_lost_after_a_burst_keeps_the_next_one_back_until_it_is_locked_again():
    host = Virtual(1)
    (radio,) = host.open()
    wave, sent = np.full(100, 0.1, np.complex64), []
    for is_locked in (True, False, True):
        host.boards[0].is_locked = is_locked
        at = radio.now() + radio.lead_time
        if is_locked:
            radio.transmit(wave, at)
        else:
            with pytest.raises(RadioError, match=r"ref_locked must be true to send .*check the cable at REF IN"):
                radio.transmit(wave, at)
        radio.receive(200, at)
        sent.append(sum(count for _, count, _ in host.parts[0].radiated))
    assert sent == [100, 100, 200]
    host.close()
