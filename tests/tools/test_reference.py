from pathlib import Path

from fl.config import known_keys
from tools.reference import configuration_reference

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


def test_the_page_in_the_docs_is_the_generated_one():
    assert PAGE.read_text(encoding="utf-8") == configuration_reference(), "run `python docs/generate.py`"


def test_every_key_is_described():
    page = configuration_reference()
    tables = {
        "run",
        "agents",
        "task",
        "model",
        "algorithm",
        "server",
        "uplink",
        "evaluation",
        "control",
        "uplink.digital",
        "uplink.fading",
        "waveform",
        "calibration",
        "radio",
    }
    tables |= {"radio.loopback", "radio.pluto", "radio.usrp", "radio.gnuradio", "radio.tx"}
    for key in set(known_keys()) - tables:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
        assert not line.endswith("|  |"), key
