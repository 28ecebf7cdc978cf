# Every target in a line: make help. Nothing is installed outside .local/.
PYTHON ?= python3
BIN := .local/venv/bin
ARGS ?=
WORKERS ?= 2
export PYTHONPATH := $(CURDIR)

.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint format types bench bench-scans bench-codes bench-auth tick lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## Prepare .local/: packages, chain node, contract compiler
	@$(PYTHON) emulators/bootstrap.py

run: setup ## Start everything, play the main job once, stay up (ISOLATED=1: a process per function)
	@$(BIN)/python -m emulators.run

demo: setup ## Play the main job and exit
	@$(BIN)/python -m emulators.run --once

test: lint types ## Lint, types and every suite (ARGS="-k scan" picks tests)
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: setup ## ruff, and terraform fmt where terraform is installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@if command -v terraform >/dev/null 2>&1; then terraform fmt -check -recursive terraform; fi

format: setup ## Put code into its one form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: setup ## mypy --strict
	@$(BIN)/mypy functions shared emulators terraform tests

bench: setup ## Scans per second, latency, cold start and memory beside a hello-world function
	@$(BIN)/python -m emulators.bench $(ARGS)

bench-scans: setup ## Scans per second with up to 10 million rows in the tables, beside pgbench (--quick: fewer)
	@$(BIN)/python -m emulators.bench.scans $(ARGS)

bench-codes: setup ## Batches of codes made, exported and imported, beside bare COPY and UPDATE (ARGS="5000000": sizes)
	@$(BIN)/python -m emulators.bench.codes $(ARGS)

bench-auth: setup ## What sign-ins cost other requests, and reads with a million notifications (--quick: fewer)
	@$(BIN)/python -m emulators.bench.auth $(ARGS)

tick: setup ## Fire a job of the running stack: make tick JOB=payout_confirm [AT=2026-11-29T00:00Z]
	@$(BIN)/python -m emulators.tick $(JOB) $(if $(AT),--at $(AT))

lock: setup ## Pin every package anew from pyproject.toml and functions/*/requirements.txt
	@$(PYTHON) emulators/bootstrap.py --lock

clean: ## Remove .local/
	@rm -rf .local
