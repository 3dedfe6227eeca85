"""Settings of benches of each kind of radio, that hold together as they are."""

PLUTOS = (
    "uplink.kind=waveform", "radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.carrier_hz=915e6",
    "radio.pluto.block=1024", "radio.pluto.tx_attenuation_db=0", "radio.tx.medium=cable",
    "radio.tx.authorised_band=[912e6, 918e6]", "agents.count=2", "waveform.response_s=0.002",
    "waveform.trigger_lead_s=0.002",
)  # fmt: skip
REAL_PLUTOS = (
    *PLUTOS, "radio.pluto.emulate=false", "radio.pluto.uris=['ip:a', 'ip:b', 'ip:c']", "radio.pluto.block=512",
    "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01",
)  # fmt: skip
USRPS = (
    "uplink.kind=waveform", "radio.kind=usrp", "radio.usrp.devices=['addr0=a,addr1=b,addr2=c']",
    "radio.usrp.carrier_hz=2.4e9", "radio.usrp.tx_attenuation_db=0", "radio.usrp.lead_s=0.001",
    "radio.usrp.block=1024", "radio.tx.medium=cable", "radio.tx.authorised_band=[2.39e9, 2.41e9]", "agents.count=2",
    "waveform.response_s=0.004", "waveform.trigger_lead_s=0.004",
)  # fmt: skip
CHANNEL = (
    "uplink.kind=waveform", "radio.kind=gnuradio", "radio.loopback.redraw=false", "agents.count=2", "rounds=2",
    "run.threads=1", "task.ways=3", "task.shots=1", "task.queries=2", "model.width=8", "algorithm.order=first",
    "evaluation.tasks=2", "evaluation.queries=2", "waveform.round_period_s=0.1", "waveform.turnaround_s=0.005",
    "waveform.first_soundings=2",
)  # fmt: skip
OWN_FLOWGRAPH = (
    "uplink.kind=waveform", "radio.kind=gnuradio", "radio.gnuradio.flowgraph=mine.py", "agents.count=1",
    "task.partition=class_overlap", "radio.gnuradio.carrier_hz=915e6", "radio.gnuradio.delay=0",
    "radio.gnuradio.send=['tcp://127.0.0.1:5555', 'tcp://127.0.0.1:5556']", "radio.tx.medium=cable",
    "radio.gnuradio.hear=['tcp://127.0.0.1:5557', 'tcp://127.0.0.1:5558']", "radio.tx.authorised_band=[910e6, 920e6]",
    "radio.gnuradio.block=1024", "waveform.response_s=0.01", "waveform.trigger_lead_s=0.01", "waveform.search_s=0.001",
)  # fmt: skip
GR_UHD = (
    *(item for item in OWN_FLOWGRAPH if not item.startswith("radio.gnuradio") or "block" in item),
    "radio.gnuradio.flowgraph=usrp", "radio.usrp.devices=['serial=1', 'serial=2']", "radio.usrp.carrier_hz=915e6",
    "radio.usrp.rx_gain_db=7", "radio.usrp.rx_antenna=RX2",
)  # fmt: skip
