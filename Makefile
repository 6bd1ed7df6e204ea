# `make` alone lists the targets. They work on a machine with nothing but python3, make and git; `slow` and `check` need
# Chromium and Redis too (CONTRIBUTING.md).

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode

# No telemetry and no start-up chatter from the libraries; settings.py sets the same for `evergreen` itself.
export DO_NOT_TRACK := 1
export TF_CPP_MIN_LOG_LEVEL := 2
# Hundreds of processes are started by the tests: each would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check lint slow lock clean

help: ## list the targets
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: .venv/ready ## set up .venv, with `evergreen` in it (about a minute)
	@echo 'Ready: ". $(BIN)/activate" puts "evergreen" on the PATH, in every new terminal.'

demo: .venv/ready ## set up, and watch a model be kept fresh on real flights
	@$(BIN)/evergreen demo run

up: .venv/ready ## set up, and start the Prefect server, its UI, the deployments and a worker
	@$(BIN)/evergreen up

test: .venv/ready-dev ## set up, and run the tests (without the slow ones)
	@$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist worksteal

check: lint test slow ## all that CI checks

lint: .venv/ready-dev ## style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Four on two cores, as the longest wait more than they compute; one test at a time, so that all four end together.
slow: .venv/ready-dev ## whole runs of flows, trainings and processes: the tests that make test leaves out
	@$(BIN)/python -m pytest -m slow --numprocesses 4 --dist load --maxschedchunk 1 $$(grep -rl mark.slow tests)

bench-%: .venv/ready-dev ## benchmarks/NAME.py, for example: make bench-learning
	@$(BIN)/python -m benchmarks.$*

bench-data: .venv/ready-dev ## fetch what benchmarks/employment.py reads: files in a wheel of 23 MB, once
	@$(BIN)/python -m pip download --quiet --no-deps --dest .bench-data nannyml==0.13.1

lock: .venv/uv ## resolve the dependencies again, for all platforms
	@$(BIN)/uv pip compile pyproject.toml --extra demo $(LOCK) --output-file requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra demo --group dev -c requirements.lock $(LOCK) --output-file requirements-dev.lock

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean: ## remove the environment and everything the demo made
	rm -rf .venv .evergreen

.venv/uv:
	@echo "Setting up .venv (about a minute) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@touch $@

.venv/ready: requirements.lock pyproject.toml client/pyproject.toml | .venv/uv
	@$(UV) --require-hashes --requirement requirements.lock
	@$(UV) --no-deps --editable client --editable .
	@touch $@

.venv/ready-dev: requirements-dev.lock .venv/ready
	@$(UV) --require-hashes --requirement requirements-dev.lock
	@touch $@
