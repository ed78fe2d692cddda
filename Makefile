# Every command needs only git, make and Python 3.11 or newer with its venv module.
PYTHON ?= python3
VENV := .venv
LIGHT := .venv-light
BIN := $(VENV)/bin
DECLARED := pyproject.toml src/emotionrecog/version.py # dependencies, version
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help demo check test docs train hooks clean

help:
	@echo "make demo    predict the emotion in examples/clip.wav"
	@echo "make check   lint, types and quick tests, without TensorFlow, in about two minutes"
	@echo "make test    lint, types, documentation and all tests, with coverage"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make train   train a recogniser into runs/ (ARGS=... for options)"
	@echo "make hooks   run lint and types before every git commit"
	@echo "make clean   remove environments, caches and builds (runs/ stays)"

demo: $(VENV)/installed
	$(BIN)/emotionrecog predict examples/clip.wav

check: $(LIGHT)/installed
	$(LIGHT)/bin/ruff check .
	$(LIGHT)/bin/ruff format --check .
	$(LIGHT)/bin/mypy
	$(LIGHT)/bin/python -m pytest -n auto -r fE -m "not corpora and not slow and not tensorflow"

# The tests come last, so that their summary ends the log.
test: $(VENV)/installed-test docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist loadfile --cov

docs: $(VENV)/installed-test
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html

train: $(VENV)/installed
	@test -n "$$EMOTIONRECOG_CORPORA" || { \
		echo "Training needs the corpora: set EMOTIONRECOG_CORPORA to their folder (docs/reference/corpora.md)."; \
		exit 1; }
	$(BIN)/emotionrecog train --output runs/my-recogniser $(ARGS)

hooks: $(LIGHT)/installed
	$(LIGHT)/bin/pre-commit install

clean:
	rm -rf $(VENV) $(LIGHT) build dist docs/_build
	rm -rf .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/created $(LIGHT)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "emotionrecog needs Python 3.11 or newer, and $(PYTHON) is older or missing; name another: make PYTHON=python3.12"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot create virtual environments; on Debian: apt-get install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@

$(VENV)/installed: $(DECLARED) $(VENV)/created
	@echo "Installing emotionrecog and its dependencies (including TensorFlow) into $(VENV); this takes some minutes."
	$(BIN)/python $(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: $(DECLARED) $(VENV)/created
	@echo "Installing emotionrecog and what its tests need into $(VENV); this takes some minutes."
	$(BIN)/python $(PIP_INSTALL) --editable ".[test]"
	@touch $@ $(VENV)/installed

$(LIGHT)/installed: requirements-check.txt $(DECLARED) $(LIGHT)/created
	@echo "Installing emotionrecog without TensorFlow into $(LIGHT); this takes about a minute."
	$(LIGHT)/bin/python $(PIP_INSTALL) --requirement requirements-check.txt
	$(LIGHT)/bin/python $(PIP_INSTALL) --no-deps --editable .
	@touch $@
