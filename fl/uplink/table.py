"""The uplinks without radios by the name that `uplink.kind` gives them; `waveform` is the one that has some."""

from fl.uplink import airfl_mem, digital, ideal, one_bit, symbol
from fl.uplink.off_air import Kind

OFF_AIR: dict[str, Kind] = {
    "ideal": ideal.KIND,
    "digital": digital.KIND,
    "one_bit": one_bit.KIND,
    "symbol": symbol.KIND,
    "airfl_mem": airfl_mem.KIND,
}
