# make phone       the main job on the built-in digits
# make test        checks and tests; no torch, no JAX, no MediaPipe
# make test-peers  tests beside torch, JAX and MediaPipe
# make test-all    both, the slow ones, and the numeric ones with oneDNN off
# make test-release  before a release: the main job of a wheel
# TESTS=... chooses some of the tests. Each makes the environments that it needs.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
MEDIAPIPE := .venv-mediapipe

# the most memory that a process of "make test" may take, in GB (2.0 was seen)
MEMORY := 2.5
# TensorFlow keeps memory: the tests run part by part, each in workers of its own
PARTS := $(if $(TESTS),1,1 2 3 4 5 6 7)
test-slow: PARTS := $(if $(TESTS),1,1 2 3 4)
test-peers: PARTS := 1

# $(call pytest,ENVIRONMENT,OPTIONS); a part may have no such test (5). Behind DEADLINE,
# seconds since 1970 where it is set, no part begins
define pytest
status=0; for part in $(PARTS); do \
    if [ -n "$(DEADLINE)" ] && [ $$(date +%s) -ge $(DEADLINE) ]; then \
        echo "LEFT OUT: part $$part/$(words $(PARTS)) of $@, no time is left"; continue; \
    fi; \
    $(1)/bin/python -m pytest --numprocesses 2 --dist worksteal \
        --durations 15 --durations-min 5 --part $$part/$(words $(PARTS)) $(2) $(TESTS) || [ $$? -eq 5 ] || status=1; \
done; exit $$status
endef

.PHONY: phone check test test-peers test-slow test-numeric test-release test-all clean

phone: $(VENV)/installed
	$(VENV)/bin/kerasnets phone

check: $(VENV)/installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright

# on every CPU TensorFlow's kernels are those that the command line takes, oneDNN's; by
# itself it takes them only on CPUs with AVX-512 VNNI
test: export TF_ENABLE_ONEDNN_OPTS = 1
test: check
	$(call pytest,$(VENV),-m "not slow and not release and not peers" --memory $(MEMORY))

test-peers: export KERASNETS_MEDIAPIPE_PYTHON = $(CURDIR)/$(MEDIAPIPE)/bin/python
test-peers: $(PEERS)/installed $(MEDIAPIPE)/installed
	$(call pytest,$(PEERS),-m peers)

test-slow: $(VENV)/installed-test
	$(call pytest,$(VENV),-m "slow and not peers")

# the other kernels, for what adds many numbers
test-numeric: export TF_ENABLE_ONEDNN_OPTS = 0
test-numeric: $(VENV)/installed-test
	$(call pytest,$(VENV),-m "numeric and not slow and not release and not peers")

# not of test-all
test-release: PARTS := 1
test-release: $(VENV)/installed-test
	$(call pytest,$(VENV),-m release)

test-all: test test-peers test-slow test-numeric

# $(call install,ENVIRONMENT,WHAT): pip, with the versions that were tested
define install
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --constraint constraints.txt $(2)
	touch $@
endef

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(call install,$(VENV),--editable .)

$(VENV)/installed-test: $(VENV)/installed
	$(call install,$(VENV),--editable '.[test]')

# torch: the pinned version alone, so that pip takes its build for CPUs (2.13.0+cpu)
# where its settings offer one; newer ones bring 6 GB of CUDA
$(PEERS)/installed: setup.cfg pyproject.toml constraints.txt
	$(call install,$(PEERS),--editable '.[peers]')

# MediaPipe needs another absl-py than TF-MOT
$(MEDIAPIPE)/installed: tests/mediapipe_requirements.txt
	$(PYTHON) -m venv $(MEDIAPIPE)
	$(MEDIAPIPE)/bin/python -m pip install --quiet --requirement $<
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(MEDIAPIPE) build *.egg-info .pytest_cache .ruff_cache
