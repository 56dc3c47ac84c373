# Everything that a person or CI does with this repository. `make help` lists it.
#
# What is built or installed goes to $(CONCIERGE_CACHE), outside the checkout, so that fresh clones share it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

CONCIERGE_CACHE ?= $(HOME)/.cache/concierge
export CARGO_TARGET_DIR ?= $(CONCIERGE_CACHE)/target
# Cargo's own variable, so that a slow registry is retried rather than failing a build.
export CARGO_NET_RETRY ?= 5

# The data of the demonstration and where it listens.
DEMO_DATA ?= $(CONCIERGE_CACHE)/demo
DEMO_LISTEN ?= 127.0.0.1:8080
DEMO_SHOP_LISTEN ?= 127.0.0.1:8081

# SQL over the lake takes long to build, so what is built by hand, and the demonstration, leave it off unless asked:
# `--features query`.
FEATURES := --features concierge/query
# The suites that run against the real program use this binary.
BINARY := $(CARGO_TARGET_DIR)/debug/concierge
export CONCIERGE_BINARY ?= $(BINARY)

VENV := $(CONCIERGE_CACHE)/venv
PYTHON := $(VENV)/bin/python
NODE_SUITE := tests/clients/node
BROWSER_SUITE := tests/clients/browser
PAGE_SUITE := tests/page
SDK := packages/sdk-browser
SHOP := examples/shop

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- run ---------------------------------------------------------------------------------------

.PHONY: demo
demo: ## build and start Concierge on http://127.0.0.1:8080, with a shop and simulated shoppers; opens the shop
	@echo "Building Concierge in release mode. The first time takes some minutes; later starts take seconds."
	@cargo build --release --locked -p concierge
	@echo "Starting the demonstration; its data is kept in $(DEMO_DATA). Stop it with Ctrl-C."
	@mkdir -p "$(dir $(DEMO_DATA))"
	@shop=(); if command -v npm >/dev/null && $(MAKE) shop; \
	  then shop=(--shop "$(SHOP)/dist" --shop-listen "$(DEMO_SHOP_LISTEN)" --open); \
	  else echo "The shop was not built, which takes Node 20 or newer with npm. The rest of the demonstration starts all the same."; fi; \
	  exec "$(CARGO_TARGET_DIR)/release/concierge" demo --data "$(DEMO_DATA)" --listen "$(DEMO_LISTEN)" "$${shop[@]}"

.PHONY: shop
shop: $(SHOP)/node_modules/.ready ## build the demonstration's shop, as plain pages and with React
	@npm --prefix $(SHOP) run --silent build

# --- test --------------------------------------------------------------------------------------

.PHONY: test
test: test-rust test-fuzz test-vendor test-python test-node test-browser test-sdk test-page test-duckdb test-splink test-stats test-policies test-results ## run every test, installing what the tests need

.PHONY: test-rust
test-rust: ## unit, property and integration tests of the workspace
	@cargo test --workspace --locked $(FEATURES)

# How long each kind of hostile input is searched for what it breaks.
FUZZ_SECONDS ?= 60
# The tests that search, each the arguments of cargo; two at a time. That of queries is run as `test-rust` builds it,
# since cargo would build the query engine a second time for the crate alone.
FUZZ_TESTS := "-p model --lib fuzz::" "-p decision --lib fuzz::" "-p engine --lib fuzz::" \
  "-p server --test it fuzz::" "--workspace $(FEATURES) fuzz::any_query"

.PHONY: test-fuzz
test-fuzz: ## hostile conditions, templates, events, requests and queries, for a minute each
	@cargo test --quiet --locked --no-run -p model -p decision -p engine -p server
	@cargo test --quiet --locked --no-run --workspace $(FEATURES)
	@printf '%s\n' $(FUZZ_TESTS) | CONCIERGE_FUZZ_SECONDS=$(FUZZ_SECONDS) \
	  xargs -P 2 -I {} bash -c 'cargo test --quiet --locked {} -- --nocapture'

.PHONY: soak
soak: ## the same for half an hour each, from another beginning
	@CONCIERGE_FUZZ_SEED=$$RANDOM $(MAKE) test-fuzz FUZZ_SECONDS=1800

.PHONY: test-python
test-python: $(BINARY) $(VENV)/ready ## the published Python clients
	@$(PYTHON) -m pytest tests/clients/python

# The modules of the vendor's suite that make requests; each request goes to the real server.
VENDOR_TESTS := $(addprefix segment.analytics.test.test_,client consumer request module init)

.PHONY: test-vendor
test-vendor: $(BINARY) $(VENV)/ready ## the tests that the vendor of a Python client wrote for it
	@PYTHONPATH=tests/clients/python $(PYTHON) tests/harness/concierge_server.py -- \
	  $(PYTHON) -m pytest -c tests/pytest.ini -p segment_vendor --pyargs $(VENDOR_TESTS)

.PHONY: test-node
test-node: $(BINARY) $(VENV)/ready $(NODE_SUITE)/node_modules/.ready ## the published Node clients
	@$(PYTHON) tests/harness/concierge_server.py -- npm --prefix $(NODE_SUITE) test

.PHONY: test-browser
test-browser: $(BINARY) $(VENV)/ready $(BROWSER_SUITE)/node_modules/.ready ## the published browser clients, in Chromium
	@chromium="$$(bash tests/harness/find-chromium.sh)" && \
	  CHROMIUM="$$chromium" $(PYTHON) tests/harness/concierge_server.py -- npm --prefix $(BROWSER_SUITE) test

.PHONY: test-sdk
test-sdk: $(SDK)/node_modules/.ready ## the browser's client: types, size, and that its script is what the sources say
	@npm --prefix $(SDK) run --silent check

.PHONY: test-page
test-page: $(BINARY) $(VENV)/ready $(BROWSER_SUITE)/node_modules/.ready $(PAGE_SUITE)/node_modules/.ready shop ## the browser's client on plain, React and Vue pages and in the demonstration's shop, in Chromium
	@chromium="$$(bash tests/harness/find-chromium.sh)" && \
	  CHROMIUM="$$chromium" $(PYTHON) tests/harness/concierge_server.py -- npm --prefix $(PAGE_SUITE) test

.PHONY: test-duckdb
test-duckdb: $(BINARY) $(VENV)/ready ## audiences over real orders, compared with SQL in DuckDB
	@$(PYTHON) -m pytest tests/duckdb

.PHONY: test-splink
test-splink: $(BINARY) $(VENV)/ready ## linkage of records whose truth is known, beside Splink
	@$(PYTHON) -m pytest tests/splink

.PHONY: test-results
test-results: $(BINARY) $(VENV)/ready ## two real experiments, read out beside SciPy
	@$(PYTHON) -m pytest tests/results

# Some of these packages want older versions than the other suites do.
STATS_VENV := $(CONCIERGE_CACHE)/venv-stats

.PHONY: test-stats
test-stats: $(STATS_VENV)/ready ## tests, intervals and sequences, beside gbstats, SciPy, statsmodels and others
	@cargo build --quiet --locked -p stats --example oracle
	@STATS_BINARY="$(CARGO_TARGET_DIR)/debug/examples/oracle" \
	  $(STATS_VENV)/bin/python -m pytest -c tests/pytest.ini --confcutdir=tests/stats tests/stats

$(STATS_VENV)/ready: tests/stats/requirements.txt tests/harness/make-venv.sh
	@bash tests/harness/make-venv.sh "$(STATS_VENV)" tests/stats/requirements.txt

# Policies are compared with packages that want versions of their own.
POLICIES_VENV := $(CONCIERGE_CACHE)/venv-policies

.PHONY: test-policies
test-policies: $(POLICIES_VENV)/ready ## bandits and off-policy estimates, beside obp, MABWiser and SciPy
	@cargo build --quiet --locked -p stats --example policies
	@POLICIES_BINARY="$(CARGO_TARGET_DIR)/debug/examples/policies" \
	  $(POLICIES_VENV)/bin/python -m pytest -c tests/pytest.ini --confcutdir=tests/policies tests/policies

# Every package is named, so none is looked for: obp names versions that this Python has not.
$(POLICIES_VENV)/ready: tests/policies/requirements.txt tests/harness/make-venv.sh
	@bash tests/harness/make-venv.sh "$(POLICIES_VENV)" tests/policies/requirements.txt --no-deps --ignore-requires-python

# Cargo decides what is out of date, so this rule always asks it. The program comes of building the tests: built by itself it
# has other features of what both use, and all that depends on these would be compiled twice.
.PHONY: $(BINARY)
$(BINARY):
	@cargo test --workspace --locked $(FEATURES) --no-run --quiet

$(VENV)/ready: tests/requirements.txt tests/harness/make-venv.sh
	@bash tests/harness/make-venv.sh "$(VENV)" tests/requirements.txt

%/node_modules/.ready: %/package-lock.json %/package.json
	@npm --prefix $* ci --ignore-scripts --no-audit --no-fund
	@touch $@

# --- check -------------------------------------------------------------------------------------

.PHONY: check
check: check-format check-tidy check-licences check-lints check-docs ## everything that judges the code without running it

.PHONY: check-format
check-format: ## formatting
	@cargo fmt --all --check

.PHONY: check-tidy
check-tidy: ## the repository's own rules: arrows, sizes, words, unused dependencies
	@cargo run --quiet --locked -p xtask -- tidy

.PHONY: check-licences
check-licences: ## that every dependency may be shipped
	@cargo run --quiet --locked -p xtask -- licences

.PHONY: check-lints
check-lints: ## Clippy, with warnings as errors
	@cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

.PHONY: check-docs
check-docs: ## the documentation of all items, with warnings as errors
	@RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --document-private-items --locked

# --- change and measure ------------------------------------------------------------------------

.PHONY: format
format: ## format the code
	@cargo fmt --all

.PHONY: bench
bench: $(VENV)/ready ## measure speed and size against the budgets; ARGUMENTS=--quick for a short run
	@cargo run --quiet --locked -p xtask -- bench --python $(PYTHON) $(ARGUMENTS)

.PHONY: bench-page
bench-page: $(VENV)/ready $(BROWSER_SUITE)/node_modules/.ready $(PAGE_SUITE)/node_modules/.ready ## measure when pages are painted with the tag and without it, throttled; TURNS=n SLOWER=n
	@cargo build --release --locked -p concierge
	@chromium="$$(bash tests/harness/find-chromium.sh)" && CHROMIUM="$$chromium" \
	  CONCIERGE_BINARY="$(CARGO_TARGET_DIR)/release/concierge" \
	  $(PYTHON) tests/harness/concierge_server.py -- node $(PAGE_SUITE)/paint.bench.js
