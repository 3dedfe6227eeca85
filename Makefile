# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# `make test EXTRAS=test,docs,sdr` tests the PlutoSDR's client library, too; it needs libiio0.
EXTRAS ?= test,docs

.PHONY: setup demo test lint docs nightly clean

setup: $(STAMP)

# torch comes first and pinned: any other way of asking for it brings gigabytes of CUDA.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "airmeta needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	touch $(STAMP)

demo: setup
	$(BIN)/airmeta run experiments/quickstart.toml

test: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest

docs: setup
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W -q docs docs/_build

# What is too long for CI: slow tests, then every claim of the documentation. The drivers must be there (`airmeta doctor`,
# EXTRAS=test,docs,sdr, GNU Radio), and two cores free: experiments in real time break streams on a machine with other work.
# `make nightly DATA=FOLDER` measures what needs MNIST, too.
nightly: setup
	$(BIN)/python -m pytest -m 'slow or not slow'
	$(BIN)/airmeta bench oamp --seeds 20
	$(BIN)/airmeta bench local
	$(BIN)/airmeta bench round experiments/quickstart.toml
	$(BIN)/airmeta bench waveform
	$(BIN)/airmeta bench air
	$(BIN)/airmeta bench gnuradio
	$(BIN)/airmeta bench calibration
	$(BIN)/airmeta bench emulator
	$(BIN)/airmeta bench crosscheck
	$(BIN)/airmeta bench crosscheck --planted 1.2
	$(BIN)/airmeta bench testbed
	$(BIN)/airmeta bench sweep
ifdef DATA
	$(BIN)/airmeta bench inner-steps experiments/class-skew.toml --set data_root=$(DATA)
	$(BIN)/airmeta bench per-fedavg experiments/per-fedavg.toml --set data_root=$(DATA)
	$(BIN)/airmeta bench analytic experiments/analytic.toml --set data_root=$(DATA)
	$(BIN)/airmeta bench uplinks experiments/uplinks.toml --set data_root=$(DATA)
endif

clean:
	rm -rf $(VENV) docs/_build *.egg-info
