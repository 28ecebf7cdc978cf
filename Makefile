# Every target in a line: make help. Nothing is installed outside .local/.
PYTHON ?= python3
BIN := .local/venv/bin
ARGS ?=
WORKERS ?= 2
export PYTHONPATH := $(CURDIR)
export PYTHONDONTWRITEBYTECODE :=  # dozens of processes import the same: they compile it once

# A setting that nobody reads is a slip: `make run ISOLATE=1` would run as if nothing had been said.
SETTINGS := PYTHON ARGS WORKERS ISOLATED EMULATOR EMULATOR_FIRESTORE EMULATOR_PUBSUB EMULATOR_POSTGRES STACK_FOLDER \
  GATEWAY_PORT JOB AT TO MINUTES SCHEDULES SEED FAMILY SAMPLE ENV FROM FUNCTIONS TF_STUB LOG_LEVEL
space := $(subst ,, )
given := $(foreach each,$(subst \$(space),_,$(MAKEOVERRIDES)),$(firstword $(subst =, ,$(each))))
unknown := $(filter-out $(SETTINGS),$(given))
ifneq ($(unknown),)
$(error there is no setting $(unknown); there are $(SETTINGS))
endif

.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint format types build seal schema look-alikes terraform-test plan deploy rollback capacity bench bench-scans bench-shop bench-social bench-affiliates bench-codes bench-payouts bench-ledger bench-insights bench-reports bench-votes payouts ledger-check week-recount recount dead-letters faults order-faults week-faults mutants bench-auth soak tick advance lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## Prepare .local/: packages, chain node, contract compiler
	@$(PYTHON) emulators/bootstrap.py

run: setup ## Start everything, play the main job once, stay up (ISOLATED=1: a process per function; GATEWAY_PORT=8080)
	@$(BIN)/python -m emulators.run

demo: setup ## Play the main job and exit
	@$(BIN)/python -m emulators.run --once

test: lint types ## Lint, types and every suite (ARGS="-k scan" picks tests)
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

faults: setup ## Fault schedules of the payout machine (SCHEDULES=500 SEED=1 FAMILY=killed,restored): none may break a rule
	@$(BIN)/python -m tests.fault.simulation $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(if $(SEED),--seed $(SEED)) $(if $(FAMILY),--family $(FAMILY)) $(ARGS)

order-faults: setup ## Fault schedules of the order machine (SCHEDULES=200 SEED=1): paid once, or nothing held
	@$(BIN)/python -m tests.fault.orders $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

week-faults: setup ## Fault schedules of the weeks of affiliates (SCHEDULES=500 SEED=1): each part is paid once
	@WEEK_SCHEDULES=$(or $(SCHEDULES),200) WEEK_SEED=$(or $(SEED),1) $(BIN)/python -m pytest -q -n $(WORKERS) tests/fault/test_week_schedules.py

mutants: setup ## Deliberate breaks of the payout machine's rules; SAMPLE=100 SEED=1: random ones of the whole product
ifdef SAMPLE
	@$(BIN)/python -m tests.mutation --sample $(SAMPLE) $(if $(SEED),--seed $(SEED)) $(ARGS)
else
	@$(BIN)/python -m tests.fault.simulation.mutants $(ARGS)
endif

lint: setup ## ruff, and terraform fmt where terraform is installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@if command -v terraform >/dev/null 2>&1; then terraform fmt -check -recursive terraform; fi

format: setup ## Put code into its one form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: setup ## mypy --strict
	@$(BIN)/mypy functions shared emulators terraform tests

build: setup ## Stage and zip every function for deployment; a table of files, sizes and hashes
	@$(BIN)/python -m terraform.stage

seal: setup ## The migrations have been applied: nobody may edit them any more
	@$(BIN)/python -m terraform.stage --seal

schema: setup ## Write shared/database/schema.sql, the schema that all migrations together make
	@$(BIN)/python -m emulators.schema

look-alikes: setup ## Write shared/social/look_alikes.txt from the pinned package with Unicode's confusables
	@$(BIN)/python -m emulators.look_alikes

plan: setup ## What a deployment would change: make plan ENV=dev
	@$(BIN)/python -m terraform.deploy plan $(ENV)

deploy: setup ## Migrate, functions, gateway, canary, contract: make deploy ENV=dev (FROM=step starts there)
	@$(BIN)/python -m terraform.deploy deploy $(ENV) $(if $(FROM),--from $(FROM))

rollback: setup ## All calls to the old revisions again: make rollback ENV=dev (FUNCTIONS="scans auth" after a canary)
	@$(BIN)/python -m terraform.deploy rollback $(ENV) $(FUNCTIONS)

capacity: setup ## What the planned loads need and cost (ARGS=--write: into docs/capacity.md)
	@$(BIN)/python -m terraform.capacity $(ARGS)

terraform-test: setup ## Plans, function by function, and checkov (TF_STUB=stand-in where no provider can be had)
	@$(BIN)/python -m terraform.check

bench: setup ## Scans per second, latency, cold start and memory beside a hello-world function
	@$(BIN)/python -m emulators.bench $(ARGS)

bench-scans: setup ## Scans per second with up to 10 million rows in the tables, beside pgbench (--quick: fewer)
	@$(BIN)/python -m emulators.bench.scans $(ARGS)

bench-shop: setup ## Orders per second beside pgbench, the way to their confirmation, webhooks and races (ARGS=--quick: less)
	@$(BIN)/python -m emulators.bench.shop $(ARGS)

bench-social: setup ## Messages of the chat per second beside pgbench, to a listener, pages per message, unread (ARGS=--quick: less)
	@$(BIN)/python -m emulators.bench.social $(ARGS)

bench-affiliates: setup ## Weeks of up to a million affiliates, scans beside one, and pages of referrals (ARGS=--quick: less)
	@$(BIN)/python -m emulators.bench.affiliates $(ARGS)

bench-payouts: setup ## Whole payouts per second with a backlog of 1,000 and 10,000, and the paced run (ARGS=--quick: less)
	@$(BIN)/python -m emulators.bench.payouts $(ARGS)

bench-insights: setup ## Pages of figures with 10 thousand scans (ARGS=--full: 10 million too) beside hello world (--quick: one round)
	@$(BIN)/python -m emulators.bench.insights $(ARGS)

bench-reports: setup ## A report of a million members as CSV, beside a bare COPY of the same rows (ARGS="10000": sizes)
	@$(BIN)/python -m emulators.bench.reports $(ARGS)

bench-votes: setup ## Ballots per second beside hello world, opening for 500,000 electors, closing 100,000 ballots (ARGS=--quick)
	@$(BIN)/python -m emulators.bench.votes $(ARGS)

bench-codes: setup ## Batches of codes made, exported and imported, beside bare COPY and UPDATE (ARGS="5000000": sizes)
	@$(BIN)/python -m emulators.bench.codes $(ARGS)

payouts: setup ## Ask about payouts: make payouts ARGS="where ID" (stuck, next, foreign, pause member "why"; --help for all)
	@$(BIN)/python -m terraform.operations.payouts $(ARGS)

ledger-check: setup ## Recompute every balance, sum every journal, verify every seal
	@$(BIN)/python -m terraform.operations.ledger_check

week-recount: setup ## Count a week of affiliates again from the facts: make week-recount ARGS=2026-11-22 (--list prints its shares)
	@$(BIN)/python -m terraform.operations.week_recount $(ARGS)

recount: setup ## Count the ballots of a vote again from their rows: make recount VOTE=ID
	@$(BIN)/python -m terraform.operations.vote_recount $(VOTE)

dead-letters: setup ## What no receiver could handle: make dead-letters ARGS=list, or ARGS=again to deliver it once more
	@$(BIN)/python -m terraform.operations.dead_letters $(ARGS)

bench-ledger: setup ## Postings per second into balances in shards, beside balances in one row
	@$(BIN)/python -m emulators.bench.ledger $(ARGS)

bench-auth: setup ## What sign-ins cost other requests, and reads with a million notifications (--quick: fewer)
	@$(BIN)/python -m emulators.bench.auth $(ARGS)

tick: setup ## Fire a job of the running stack: make tick JOB=payout_confirm [AT=2026-11-29T00:00Z]
	@$(BIN)/python -m emulators.tick $(JOB) $(if $(AT),--at '$(AT)')

advance: setup ## Play all that is due on the running stack until a time: make advance TO=2027-03-31T00:00:00Z
	@$(BIN)/python -m emulators.advance '$(TO)'

lock: setup ## Pin every package anew from pyproject.toml and functions/*/requirements.txt
	@$(PYTHON) emulators/bootstrap.py --lock

soak: setup ## `make run` left up under a small load for MINUTES=60; is its memory flat, and its disk?
	@$(BIN)/python -m emulators.soak $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

clean: ## Remove .local/, unless a stack runs in it
	@$(PYTHON) -m emulators.clean
