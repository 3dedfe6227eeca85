"""A client that says exactly what a test wants said, and signals to send."""

import errno
import socket

import numpy as np

RX, TX = "iio:device3", "iio:device2"
RATE = 4_000_000


class Client:
    """One connection to a unit."""

    def __init__(self, uri, timeout=10.0):
        _, host, port = uri.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        return self.stream.readline()

    def ask(self, text):
        """Return the number that answers a line."""
        self.send(text.encode() + b"\r\n")
        return int(self.line())

    def read(self, where):
        """Return the value of an attribute, or −errno."""
        size = self.ask(f"READ {where}")
        if size < 0:
            return size
        data = self.stream.read(size + 1)
        assert data.endswith(b"\0\n")
        return data[:-2].decode()

    def write(self, where, value):
        data = str(value).encode() + b"\0"
        self.send(f"WRITE {where} {len(data)}\r\n".encode() + data)
        return int(self.line())

    def open(self, device, size, *more):
        return self.ask(" ".join(["OPEN", device, str(size), "00000003", *more]))

    def receive(self, count):
        """Return a block of complex counts."""
        size = self.ask(f"READBUF {RX} {4 * count}")
        assert size == 4 * count, size
        assert self.line() == b"00000003\n"
        data = np.frombuffer(self.stream.read(size), "<i2").astype(float)
        return data[::2] + 1j * data[1::2]

    def transmit(self, samples):
        """Send a block, full scale 1, and return what the second reply says."""
        data = pack(samples)
        assert self.ask(f"WRITEBUF {TX} {len(data)}") >= 0
        self.send(data)
        return int(self.line())

    def close(self):
        self.stream.close()
        self.socket.close()


def opened(client, device, size):
    """Open a buffer that somebody who has just left may still hold for a moment."""
    for _ in range(500):
        if (code := client.open(device, size)) != -errno.EBUSY:
            return code == 0
    return False


def pack(samples):
    parts = np.asarray(samples, np.complex64).view(np.float32) * 32768
    return np.clip(np.rint(parts), -32768, 32767).astype("<i2").tobytes()


def tune(client, lo=2_400_000_000, rate=RATE, gain=40, attenuation=0):
    """Set a unit so that a path of gain 1 leaves amplitudes as they are."""
    phy = "iio:device0"
    for where, value in (
        ("INPUT voltage0 sampling_frequency", rate),
        ("OUTPUT altvoltage0 frequency", lo),
        ("OUTPUT altvoltage1 frequency", lo),
        ("INPUT voltage0 gain_control_mode", "manual"),
        ("INPUT voltage0 hardwaregain", gain),
        ("OUTPUT voltage0 hardwaregain", -attenuation),
    ):
        assert client.write(f"{phy} {where}", value) > 0, where


def noise(count, seed=0, rms=0.2, band=0.7):
    """Noise in a part of the band, so that the simulated filters leave it as it is."""
    rng = np.random.default_rng(seed)
    spectrum = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    spectrum[np.abs(np.fft.fftfreq(count)) > band / 2] = 0
    wave = np.fft.ifft(spectrum)
    return (wave * rms / np.sqrt(np.mean(np.abs(wave) ** 2))).astype(np.complex64)
