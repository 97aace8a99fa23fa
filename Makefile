# Everything from a fresh clone: Python 3.11, make and a network are all that is needed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
STATE ?= .turnout
RATE ?= 20
DRILLS ?= .turnout-drills
GATES ?= lab
PORTFOLIO ?= quick

# A uv that runs is used; else the one of locks/uv.txt is installed beside the project.
UV := $(shell if uv --version >/dev/null 2>&1; then command -v uv; else echo .uv/bin/uv; fi)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/turnout
BIN := .venv/bin
CORE := .venv/.core
DEV := .venv/.dev

export TURNOUT_UV := $(if $(filter .uv/%,$(UV)),$(CURDIR)/$(UV),$(UV))
# Caches stay out of the checkout.
export PYTHONPYCACHEPREFIX := $(CACHE)/pycache
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

SERVED := runtimes registry
APPLIED := $(addprefix tests/cluster/,test_install.py test_roles.py test_deployed.py test_waiting.py)
# Sessions of tests that put Turnout onto the cluster's node, or its servers: each of the first has one that has it not.
MOVING := tests/cluster/node/test_migration.py
OF_THE_NODE := $(addprefix tests/cluster/node/,test_installed.py test_walkthrough.py test_jobs.py test_faults.py)
SERVING := $(addprefix tests/cluster/node/,test_bridges.py test_vllm.py test_kserve_huggingface.py)

.PHONY: help setup demo test check unit contract served parts guarded lab test-runtimes drills drills-short test-cluster moving plane applied node test-installed clean

help:  ## Show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

setup: $(CORE)  ## Install the project and its core environment into .venv
	@echo "Ready: $(BIN)/turnout"

demo: $(CORE)  ## Move models under live traffic (PORTFOLIO=full: every one; GATES=me: you answer; STATE=DIR; RATE=20)
	$(BIN)/turnout lab demo --state $(STATE) --rate $(RATE) --gates $(GATES) --portfolio $(PORTFOLIO)

test:  ## All checks and unit tests, then contract and lab tests
	$(MAKE) --no-print-directory -j2 --output-sync=target check unit
	@# Side by side: their servers mostly wait. The whole lab is a session of its own, up for as long as it lasts.
	$(MAKE) --no-print-directory -j4 --output-sync=target parts lab guarded contract served

check: $(DEV)  ## Lint, format, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir $(CACHE)/import-linter

unit: $(DEV)  ## Tests without a server
	$(BIN)/python -m pytest tests/unit

contract: $(DEV)  ## Each adapter, the fake and the real one alike: router, servers, services, lab, command
	$(BIN)/python -m pytest tests/contract $(addprefix --ignore tests/contract/,$(SERVED))

served: $(DEV)  ## The same for what loads longest: the runtimes and the registry
	$(BIN)/python -m pytest $(addprefix tests/contract/,$(SERVED))

parts: $(DEV)  ## Real servers together, a few at a time
	$(BIN)/python -m pytest tests/lab --ignore tests/lab/whole --ignore tests/lab/services

guarded: $(DEV)  ## The same with the sentinel and the shadow service
	$(BIN)/python -m pytest tests/lab/services

lab: $(DEV)  ## The whole lab, and a migration through it
	$(BIN)/python -m pytest tests/lab/whole

test-runtimes: $(DEV)  ## Every model of the full portfolio on its runtime, legacy retired: large environments, long loads
	$(BIN)/python -m pytest tests/heavy --ignore tests/heavy/whole
	$(BIN)/python -m pytest tests/heavy/whole

drills: $(CORE)  ## Kill, stop and break each part in each phase of a migration (DRILLS=DIR gets the results)
	$(BIN)/turnout lab drills -o $(DRILLS)

drills-short: $(CORE)  ## The same with one of each kind
	$(BIN)/turnout lab drills --short -o $(DRILLS)

test-cluster: $(DEV)  ## A real control plane, a node, and an estate that moves on one; needs root (built once, then from the cache)
	$(BIN)/turnout lab cluster build --images
	@# Side by side, each with a cluster of its own. What takes longest, and is judged by its latency, goes first.
	$(MAKE) --no-print-directory -j4 --output-sync=target NICE="nice -n 5" moving node plane applied

moving: $(DEV)  ## An estate moves by the installed worker, with KServe's controller behind it and live traffic
	$(BIN)/python -m pytest $(MOVING)

plane: $(DEV)  ## Control plane and scheduler, with made-up nodes
	$(NICE) $(BIN)/python -m pytest tests/cluster --ignore tests/cluster/node $(addprefix --ignore ,$(APPLIED))

applied: $(DEV)  ## The same for what Turnout applies to a cluster: its own parts, and candidates
	$(NICE) $(BIN)/python -m pytest $(APPLIED)

node: $(DEV)  ## Beside them a real node, with Envoy Gateway, KServe's controller and KubeRay
	$(BIN)/python -m pytest tests/cluster/node $(addprefix --ignore ,$(MOVING) $(OF_THE_NODE) $(SERVING))

test-installed: $(DEV)  ## Turnout on the cluster's node: the walk of docs/kubernetes.md, Jobs, faults, servers alone; most of an hour
	$(BIN)/turnout lab cluster build --images
	for session in $(OF_THE_NODE) "$(SERVING)"; do $(BIN)/python -m pytest $$session || exit; done

clean:  ## End the lab of STATE and remove what was installed and written in the checkout
	if [ -x $(BIN)/turnout ]; then $(BIN)/turnout lab down --state $(STATE); fi
	rm -rf .venv .uv .turnout .turnout-*

.uv/bin/uv: locks/uv.txt
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --require-hashes -r locks/uv.txt
	touch $@

# xds-protos carries older copies of files of these two packages, and installers write in no set order: MLflow does
# not start with the older ones. So these two are written once more, last.
PROTOS_LAST = $(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r locks/core.txt \
  --reinstall-package opentelemetry-proto --reinstall-package googleapis-common-protos

# `pip sync` takes away whatever the locks do not name, the project itself included: it is installed after each.
$(CORE): locks/core.txt locks/build.txt pyproject.toml $(filter .uv/%,$(UV))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "error: Python 3.11 is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	[ -x $(BIN)/python ] || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --python $(BIN)/python --require-hashes locks/core.txt
	$(PROTOS_LAST)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --build-constraints locks/build.txt -e .
	touch $@

$(DEV): $(CORE) locks/dev.txt
	$(UV) pip sync --python $(BIN)/python --require-hashes locks/core.txt locks/dev.txt
	$(PROTOS_LAST)
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --build-constraints locks/build.txt -e .
	touch $@
