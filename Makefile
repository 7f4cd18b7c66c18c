# Gristmill. `make help` lists what there is. Every target installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PORT ?= 8000
PYTHON ?= python3
ARGS ?=
TRACES ?= ../shared/data/scheduling
DATA ?= ../shared/data
BIN := .venv/bin
UV := $(BIN)/uv


.PHONY: help run demo test test-fast test-long test-postgres test-faults chaos test-arm test-micro test-boards test-fpga fpga-node fpga-boards lint format bench bench-bundles bench-fpga simulate lock clean
.PHONY: system system-test

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

run: .venv/run system front-end ## start the portal (PORT=8000), state in var/ or GRISTMILL_HOME
	exec $(BIN)/python manage.py up --port $(PORT) $(ARGS)

demo: .venv/demo system front-end ## start it, and take real data through to a running bundle (ARGS=--exit ends it)
	exec $(BIN)/python manage.py demo --port $(PORT) $(ARGS)

test: .venv/dev system-test front-end ## every test that takes no minutes, on SQLite, and what touches the database on PostgreSQL too
	$(BIN)/pytest -n 2 --dist loadfile -m "not long and not faults and not docker" $(ARGS)
	@$(MAKE) --no-print-directory test-postgres

DATABASE_TESTS := $(addprefix tests/,bundles contract core datasets ledger members nodes queue replay) --ignore tests/datasets/test_tus.py

test-postgres: .venv/dev system-test ## the database-facing tests on a PostgreSQL of their own
	$(BIN)/python -m tests.postgres pytest -q -n 2 --dist loadfile -m "not e2e and not browser" $(DATABASE_TESTS)

test-long: .venv/dev system-test front-end ## whole portals for minutes: hostile uploads, restores, upgrades, nodes cut off
	$(BIN)/pytest -n 2 --dist loadfile -m "long and not faults and not docker" $(ARGS)

test-faults: .venv/dev system-test front-end ## kill every part in every phase (docs/faults.md; ARGS=--write writes it)
	timeout --signal=INT 1500 $(BIN)/python -m tests.faults $(ARGS)

chaos: .venv/dev system-test ## thousands of jobs while workers, Redis and the scheduler are killed (root; ARGS=--write: docs/chaos.md)
	$(BIN)/python -m tests.chaos $(ARGS)

test-arm: .venv/dev system-arm front-end ## bundles on emulated Raspberry Pis (Debian; root the first time)
	timeout --signal=INT 1500 $(BIN)/pytest -m arm tests/arm $(ARGS)

test-boards: test-arm test-micro ## both: bundles on every board that can be emulated

test-micro: .venv/dev system-boards ## bundles on emulated microcontrollers: Cortex-M3, M4F, M7, M33 (Debian)
	timeout --signal=INT 900 $(BIN)/pytest -n 2 --dist loadfile -m boards tests/boards $(ARGS)

test-fpga: .venv/dev .venv/fpga system-fpga ## the engine for FPGAs and the line to it in simulation, bitstreams (Debian)
	timeout --signal=INT 720 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m fpga tests/fpga $(ARGS)

fpga-node: .venv/run .venv/fpga system-fpga ## this node's tools for FPGA boards, and the offered ones' bitstreams made ahead (Debian; ARGS=boards)
	$(BIN)/python -m hardware.fpga.prepare $(or $(GRISTMILL_HOME),var)/node/shelf/bitstreams $(ARGS)

fpga-boards: .venv/dev .venv/fpga ## a bitstream for each board: what it takes, how fast it may run (ARGS=--write: docs/fpga-boards.md)
	$(BIN)/python -m benchmarks.fpga_boards $(ARGS)

bench-fpga: .venv/dev .venv/fpga system-fpga ## nets on FPGA boards, proved and measured (DATA=folder; ARGS=--write: docs/fpga-measured.md)
	$(BIN)/python -m benchmarks.fpga $(DATA) $(ARGS)

test-fast: .venv/dev system front-end ## what neither trains, nor starts the portal, nor opens a browser
	$(BIN)/pytest -m "not train and not e2e and not browser and not faults and not docker" $(ARGS)

lint: .venv/dev ## formatting, rules, types, deployment and migration checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	bash .ci/checks

format: .venv/dev ## put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

simulate: .venv/dev ## the scheduler on traces of real clusters (TRACES=folder; ARGS=--write writes docs/scheduler.md)
	$(BIN)/python -m benchmarks.scheduling $(TRACES) $(ARGS)

bench: .venv/dev system front-end ## measure (docs/benchmarks.md says what)
	$(BIN)/python -m benchmarks $(ARGS)

bench-bundles: .venv/dev system system-arm front-end ## measure bundles (DATA=folder with CIFAR-10; ARGS=--write writes docs/bundles.md)
	$(BIN)/python -m benchmarks.bundles $(DATA) $(ARGS)

# -- Production (docs/production.md) ----------------------------------------------------------------------------------

COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
.PHONY: docker-secrets docker-up test-docker

docker-secrets: ## make the passwords and keys of docker-compose.yml, once
	portal/edge/secrets $(or $(GRISTMILL_DOCKER),var/docker)

docker-up: docker-secrets ## build the images and start everything in containers
	$(COMPOSE) up --detach --build

test-docker: .venv/dev ## try what docker-up started, and kill it (root; tests/docker)
	$(BIN)/pytest -m docker tests/docker $(ARGS)

# -- Locks ------------------------------------------------------------------------------------------------------------

lock: .venv/uv ## write requirements/*.txt anew from *.in
	cd requirements && for name in run demo dev fpga node gpu build; do ../$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes $$name.in -o $$name.txt || exit 1; done
	cd requirements && for name in web front; do ../$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes -c run.txt $$name.in -o $$name.txt || exit 1; done
	cd requirements && ../$(UV) pip compile -q --upgrade --universal --python-version 3.9 --generate-hashes board.in -o board.txt
	cd requirements && ../$(UV) pip compile -q --upgrade --no-deps --universal --python-version 3.9 --generate-hashes board-32bit.in -o board-32bit.txt
	cd requirements && ../$(UV) pip compile -q --upgrade --no-deps --universal --python-version 3.11 --generate-hashes board-tflm.in -o board-tflm.txt
	cd requirements && ../$(UV) pip compile -q --upgrade --no-deps --universal --python-version 3.11 --generate-hashes board-camera.in -o board-camera.txt
	cd requirements && ../$(UV) pip compile -q --upgrade --no-deps --universal --python-version 3.11 --generate-hashes keras-2.in -o keras-2.txt

clean: ## remove what was installed and built (not the state)
	rm -rf .venv node_modules static/build

# -- set-up -----------------------------------------------------------------------------------------------------------

.venv/uv:
	@bash .ci/system venv $(PYTHON)
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 14) else "Gristmill needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/run .venv/demo .venv/dev .venv/fpga: .venv/%: .venv/uv requirements/%.txt
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/$*.txt
	@touch $@

.PHONY: front-end
front-end:
	@$(BIN)/python -m portal.kit.frontend

system:
	@bash .ci/system run

system-test:
	@bash .ci/system test

system-boards:
	@bash .ci/system boards

system-arm:
	@bash .ci/system arm

system-fpga:
	@bash .ci/system fpga
