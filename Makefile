# make phone   the main job on the built-in digits
# make test    every check and every test; TESTS=... chooses some
# Each makes .venv first if need be.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEDIAPIPE := .venv-mediapipe

.PHONY: phone test check clean

phone: $(VENV)/installed
	$(BIN)/kerasnets phone

test: check $(MEDIAPIPE)/installed
	KERASNETS_MEDIAPIPE_PYTHON=$(CURDIR)/$(MEDIAPIPE)/bin/python \
	    $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(TESTS)

check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

# MediaPipe needs another absl-py than TF-MOT: it gets a place of its own
$(MEDIAPIPE)/installed: tests/mediapipe_requirements.txt
	$(PYTHON) -m venv $(MEDIAPIPE)
	$(MEDIAPIPE)/bin/python -m pip install --quiet --upgrade pip
	$(MEDIAPIPE)/bin/python -m pip install --quiet --requirement $<
	touch $@

clean:
	rm -rf $(VENV) $(MEDIAPIPE) build *.egg-info .pytest_cache .ruff_cache
