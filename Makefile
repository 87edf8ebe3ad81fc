# Thin names; the work is in .ci/, CMakePresets.json and tests/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests build run test test-deploy image up down lint bench sanitize chaos erasure-kafka reindex-load

# Where `make run` listens and keeps its data.
LISTEN ?= 127.0.0.1:8000
DATA_DIR ?= millrace-data

help:
	@echo 'make run     install what is missing, build, start millrace serve'
	@echo 'make test    install what is missing, build, run every test'
	@echo 'make test-deploy  of these, those of alerts, dashboards, workflows, image and manifests'
	@echo 'make build   build/millrace, build/millrace-gateway, build/millrace-worker'
	@echo 'make image   the container image millrace:local, with docker'
	@echo 'make up      Kafka, millrace, Prometheus, Grafana, … in containers of it; PROFILES=core; make down'
	@echo 'make bench   measure; writes build/bench.json'
	@echo 'make chaos   everything breaks over three brokers, for MINUTES=10, repeatable with SEED=…'
	@echo 'make erasure-kafka  nothing is found of erased documents, over a broker as well'
	@echo 'make reindex-load  a generation is built of thousands of documents that change; REINDEX_FLAGS'
	@echo 'make lint    formatting, include rules, links in READMEs'
	@echo 'make sanitize  the unit tests under ASan+UBSan, then under TSan'

setup:
	@.ci/setup

build/release/build.ninja: CMakePresets.json | setup
	cmake --preset release

build: setup build/release/build.ninja
	@cmake --build build/release --target millrace millrace-gateway millrace-worker

run: build
	@exec build/millrace serve --data-dir '$(DATA_DIR)' --listen '$(LISTEN)'

setup-tests:
	@.ci/setup --tests

test: setup-tests build/release/build.ninja
	cmake --build build/release
	ctest --test-dir build/release --output-on-failure --no-tests=error -j 3

test-deploy: setup-tests build
	ctest --test-dir build/release --output-on-failure --no-tests=error -L '^deploy$$'

# docker compose, or what speaks its language. PROFILES=core is without Prometheus and the rest.
COMPOSE ?= docker compose
PROFILES ?= core,observability,edge
compose = cd compose && $(if $(findstring observability,$(PROFILES)),,OTEL_EXPORTER_OTLP_ENDPOINT= )COMPOSE_PROFILES='$(PROFILES)' $(COMPOSE)

image:
	.ci/image build '$(or $(MILLRACE_IMAGE),millrace:local)'

up:
	compose/make-secrets
	$(compose) up --detach --wait

down:
	$(compose) down

sanitize:
	.ci/sanitize asan
	.ci/sanitize tsan

lint:
	@.ci/setup --lint
	.ci/lint

# SEED=… repeats a run, MINUTES=… is its length.
chaos: setup-tests build
	MILLRACE=build/millrace SEED='$(or $(SEED),1)' MINUTES='$(or $(MINUTES),10)' tests/chaos/chaos.py

erasure-kafka: setup-tests build build/release/build.ninja
	ctest --test-dir build/release -C long -R '^kafka\.erasure_test$$' --output-on-failure --no-tests=error

reindex-load: setup-tests build
	MILLRACE=build/millrace tests/integration/reindex_load.py $(REINDEX_FLAGS)

bench: setup-tests build
	cmake --build build/release --target millrace_bench_tools
	MILLRACE=build/millrace tests/bench/bench.py --tools build/release/tests/bench --model build/parts/all-MiniLM-L6-v2 --out build/bench.json $(BENCH_FLAGS)
