# The verbs of a checkout; `make` alone lists them. Every step is done once and again only when what it was made from changed:
# a file in build/stamps remembers it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
STAMPS := build/stamps
# PACKAGES=no: the machine is not Debian, or its packages are somebody else's business
PACKAGES := yes

.PHONY: help setup build demo demo-nifi demo-airports demo-visitors down status test test-nifi test-quick test-pythons soak coverage guards fuzz bench wheel lint lock clean valgrind

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/packages $(STAMPS)/venv $(STAMPS)/kafka ## install what is missing (Debian packages, .venv, Kafka's jars), 1 to 10 minutes the first time

build: setup $(STAMPS)/editable ## compile the C extension into the checkout
	@echo "build: compiling what changed, up to a minute the first time"
	@$(PYTHON) setup.py --quiet build_ext --inplace

demo: build ## start PostgreSQL, Kafka and Airflow, run the example on a million purchases, leave all running
	@$(PYTHON) -m stack.demo

demo-visitors: build ## start PostgreSQL and Kafka, count a million frames in windows, compare with the true counts
	@$(PYTHON) -m stack.demo_visitors

demo-airports: build $(STAMPS)/connect ## start an airline's database, its replica and Kafka Connect, load its changes into a vault and verify it
	@$(PYTHON) -m stack.airports.demo

demo-nifi: build $(STAMPS)/nifi ## start PostgreSQL, Kafka and NiFi, import the purchases flow and run it, leave all running
	@$(PYTHON) -m stack.demo_nifi

down: ## stop every service that was started from this checkout; data is kept
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m stack down; else echo "down: nothing was ever started here"; fi

status: $(STAMPS)/venv ## show what runs where
	@$(PYTHON) -m stack status || true

test: build $(STAMPS)/packages-tests $(STAMPS)/connect ## run all tests, about 45 minutes
	@tests/run

test-quick: build ## run the tests that need no server, under a minute
	@tests/run quick

test-nifi: build $(STAMPS)/nifi $(STAMPS)/packages-tests ## run the processors and flows in a real NiFi, 10 minutes
	@tests/run nifi

guards: build $(STAMPS)/packages-tests ## take one guard after the other out of a copy; its tests must fail, some minutes
	@$(PYTHON) -m tests.faults.guards

test-pythons: build $(STAMPS)/packages-pythons ## run the tests with every other Python that Debian has, 5 minutes each (VERSIONS="3.13 3.13t": these)
	@$(PYTHON) -m tests.pythons $(VERSIONS)

soak: build $(STAMPS)/packages-tests ## load for SECONDS=3600; memory, open files, threads and connections must stay flat
	@$(PYTHON) -m tests.soak --seconds $(or $(SECONDS),3600)

coverage: build $(STAMPS)/packages-tests ## count the lines and branches of C that the tests run, half an hour (STAGES="core io": these)
	@$(PYTHON) -m tests.coverage $(STAGES)

fuzz: build $(STAMPS)/packages-tests ## give random bytes to every reader of foreign bytes, a minute each (SECONDS=600: so long)
	@$(PYTHON) -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS))

bench: build $(STAMPS)/connect $(STAMPS)/nifi ## measure against the peers, three quarters of an hour
	@$(PYTHON) -m bench

wheel: build ## build dist/*.whl, which carries its C libraries, and test it in an environment of its own, 3 minutes
	@$(PYTHON) deploy/wheel.py
	@$(PYTHON) -m tests.wheel

lint: $(STAMPS)/venv ## check style and types of the Python code
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m mypy --strict --explicit-package-bases stack bench

lock: $(STAMPS)/venv ## pin the newest fitting versions anew after a change of requirements/*.in (UPGRADE=1: all to the newest)
	@requirements/lock.sh

clean: ## stop the services and remove everything that was made, their data too; .venv stays
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m stack wipe; fi
	rm -rf build dist python/headrace/*.so python/*.egg-info .pytest_cache .mypy_cache .ruff_cache

# -- steps ---------------------------------------------------------------------------------------------------------

$(STAMPS)/packages: stack/setup.sh
	@[ $(PACKAGES) = no ] || stack/setup.sh packages
	@mkdir -p $(@D) && touch $@

$(STAMPS)/packages-tests: stack/setup.sh
	@[ $(PACKAGES) = no ] || stack/setup.sh packages tests
	@mkdir -p $(@D) && touch $@

$(STAMPS)/packages-pythons: stack/setup.sh
	@[ $(PACKAGES) = no ] || stack/setup.sh packages pythons
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv: stack/setup.sh requirements/bootstrap.txt requirements/dev.txt | $(STAMPS)/packages
	@stack/setup.sh venv
	@mkdir -p $(@D) && touch $@

$(STAMPS)/kafka: python/headrace/embedded/broker/pom.xml python/headrace/embedded/broker/jars.sha256 | $(STAMPS)/packages $(STAMPS)/venv
	@$(PYTHON) -m stack.kafka fetch
	@mkdir -p $(@D) && touch $@

# Debezium's connectors: for the benchmark, the airports and their tests
$(STAMPS)/connect: stack/connect/pom.xml stack/connect/plugins.sha256 | $(STAMPS)/packages $(STAMPS)/venv
	@$(PYTHON) -m stack.connect fetch
	@mkdir -p $(@D) && touch $@

# NiFi: for its demo and its tests alone
$(STAMPS)/nifi: $(wildcard stack/nifi/*.xml stack/nifi/*.sha256) requirements/nifi.txt | $(STAMPS)/packages $(STAMPS)/venv
	@$(PYTHON) -m stack.nifi fetch
	@mkdir -p $(@D) && touch $@

# once: so that Python finds the package and Airflow the provider in the checkout
$(STAMPS)/editable: pyproject.toml setup.py $(STAMPS)/venv
	@echo "build: making the checkout importable, up to a minute"
	@.venv/bin/uv pip install --quiet --python $(PYTHON) --no-build-isolation --no-deps --editable .
	@mkdir -p $(@D) && touch $@
