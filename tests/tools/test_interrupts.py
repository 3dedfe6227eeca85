"""Ctrl-C and SIGTERM, once and twice."""

import signal
import threading

import pytest

from tools.interrupts import interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_with_what_happens_now_and_the_second_stops_at_once(number, capsys):
    said = ["nothing has begun"]
    with interrupts(lambda: said[-1]) as seen:
        assert not seen
        said.append("saving")
        signal.raise_signal(number)
        assert seen == [number]
        assert "saving; once more to stop at once." in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_signals_did_before_they_do_again():
    def now():
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def fail():
        with interrupts():
            assert not any(one == other for one, other in zip(now(), before, strict=True))
            raise ValueError("of the work")

    before = now()
    with pytest.raises(ValueError, match="of the work"):
        fail()
    assert now() == before


def test_other_threads_leave_signals_to_the_main_one():
    before, found = signal.getsignal(signal.SIGINT), []

    def elsewhere():
        with interrupts() as seen:
            found.append((seen, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [([], before)]
