# `make demo` and `make test` need only git, make and Python 3.11 or newer with its venv module.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DECLARED := pyproject.toml src/emotionrecog/version.py # dependencies, version

.PHONY: help demo test docs train clean

help:
	@echo "make demo    predict the emotion in examples/clip.wav"
	@echo "make test    lint, types, documentation and tests"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make train   train a recogniser into runs/ (ARGS=... for options)"
	@echo "make clean   remove everything that the other commands made"

demo: $(VENV)/installed
	$(BIN)/emotionrecog predict examples/clip.wav

# The tests come last, so that their summary ends the log.
test: $(VENV)/installed-test docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

docs: $(VENV)/installed-test
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

train: $(VENV)/installed
	@test -n "$$EMOTIONRECOG_CORPORA" || { \
		echo "Training needs the corpora: set EMOTIONRECOG_CORPORA to the folder that holds them (docs/reference/corpora.md)."; \
		exit 1; }
	$(BIN)/emotionrecog train --output runs/my-recogniser $(ARGS)

clean:
	rm -rf $(VENV) build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "emotionrecog needs Python 3.11 or newer, and $(PYTHON) is not (or is missing); name another one: make PYTHON=python3.12"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments; on Debian: apt-get install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(DECLARED) $(VENV)/created
	@echo "Installing emotionrecog and what it builds on (TensorFlow among it) into $(VENV); this takes some minutes."
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-test: $(DECLARED) $(VENV)/created
	@echo "Installing emotionrecog and what its tests need into $(VENV); this takes some minutes."
	$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/installed
