# Every target does its own set-up first (bin/setup: system packages, cargo-pgrx, a private PostgreSQL below target/).
# PG_CONFIG=/path/to/pg_config names the server to build for; default: the distribution's own.

.PHONY: help demo test install package bench bench-core fmt lint soak crash model model-settings large fuzz test-long test-prometheus test-fakes setup clean

help:
	@echo "make demo       build, play a small CRM day in a scratch cluster, show what became of it (STAY=1: leave it running)"
	@echo "make test       everything: format, lints, unit, regression and end-to-end tests"
	@echo "make install    build for production and install into the server that PG_CONFIG names (or the distribution's)"
	@echo "make package    the same as a tarball, in target/"
	@echo "make bench      ratios against the alternatives, on this machine"
	@echo "make bench-core the core alone, with criterion: recurrence and calendar files against the usual crates"
	@echo "make soak       that memory stays flat, for a quarter of an hour (SOAK_MINUTES=10)"
	@echo "make crash      kill -9 at random points of a pull, and the tables are as if nothing had been (CRASH_POINTS=100)"
	@echo "make fuzz       hostile rules, series, calendar files and flows' answers, FUZZ_MINUTES=15 for each of seven targets (bin/fuzz)"
	@echo "make model      random edits on both sides, faults and crashes; both come to agree (MODEL_STEPS=100000, MODEL_SEED=1, MODEL_RUNS=2)"
	@echo "make model-settings  the same while direction, visibility, filter and mirrors change (MODEL_STEPS=5000, MODEL_SEED=1)"
	@echo "make large      ten thousand events on both sides of each provider, and what a sync of them costs (LARGE_EVENTS)"
	@echo "make test-long  the core's long tests, and many times the random cases of its properties"
	@echo "make fmt lint   format; check format and lints"
	@echo "make test-prometheus  the monitoring of docs/monitoring.md with a real Prometheus"
	@echo "make test-fakes the fake providers of the tests against the providers' own clients"
	@echo "make setup      what building and testing need, and no more"
	@echo "make clean      stop scratch clusters and remove target/"

demo:
	@bin/setup
	@bin/demo

test:
	@bin/setup test
	@bin/test

install:
	@bin/setup
	@bin/install server

package:
	@bin/setup
	@bin/package

bench:
	@bin/setup test
	@bench/setup
	@bench/run

bench-core:
	@bin/setup
	@cargo bench -p calendar_sync_core

fmt:
	@cargo fmt --all

lint:
	@bin/setup test
	@bin/test format lints

soak:
	@bin/setup test
	@bin/install debug
	@cargo test -p calendar_sync_e2e --test soak -- --nocapture --test-threads=1

crash:
	@bin/setup test
	@bin/install debug
	@CRASH_POINTS=$${CRASH_POINTS:-100} cargo test -p calendar_sync_e2e --test stories wherever_a_kill -- --nocapture

model:
	@bin/setup test
	@bin/install debug
	@MODEL_STEPS=$${MODEL_STEPS:-100000} MODEL_RUNS=$${MODEL_RUNS:-2} cargo test -p calendar_sync_e2e --test stories \
		model:: -- --nocapture

model-settings:
	@bin/setup test
	@bin/install debug
	@MODEL_STEPS=$${MODEL_STEPS:-5000} cargo test -p calendar_sync_e2e --test stories model_settings:: -- --nocapture

large:
	@bin/setup test
	@bin/install debug
	@LARGE_EVENTS=$${LARGE_EVENTS:-10000} cargo test -p calendar_sync_e2e --test stories large_calendars:: -- --nocapture

fuzz:
	@bin/setup fuzz
	@bin/fuzz

test-long:
	@bin/setup test
	@bin/test long

test-prometheus:
	@bin/setup prometheus
	@bin/install debug
	@cargo test -p calendar_sync_e2e --test stories prometheus:: -- --nocapture

test-fakes:
	@bin/setup fakes
	@tests/fidelity/run

setup:
	@bin/setup test

clean:
	@if [ -f target/build.env ]; then bin/cluster remove-all; fi
	@rm -rf target
