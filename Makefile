# Thin front for meson and the scripts in tools/ and tests/. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BUILD ?= build
JOBS  ?= $(shell nproc)
PREFIX ?= /usr/local

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (apt, npm), saying what it does
	@tools/setup

$(BUILD)/build.ninja: meson.build meson_options.txt
	@if [ -f $(BUILD)/build.ninja ]; then touch $@; else meson setup $(BUILD) --buildtype=release -Db_ndebug=false; fi

build: setup $(BUILD)/build.ninja ## build keyhole into build/
	@ninja -C $(BUILD) -j$(JOBS)

# No more than the binary, and what it needs to be built: the first look should not wait for the tests.
demo: ## run the whole story on this machine, in your browser
	@tools/setup --build-only
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j$(JOBS) src/keyhole
	@$(BUILD)/src/keyhole demo

check: build ## every test; the last line counts them (BENCH=1: the short bench after them, as in CI)
	@$(if $(BENCH),tools/setup --bench || echo "bench: rows whose reference is missing are left out")
	@tests/run --build $(BUILD) $(if $(BENCH),--bench)

check-long: build ## the long forms of the tests too
	@tests/run --build $(BUILD) --long

bench: ## measure, beside references (BENCH_ONLY, BENCH_ROUNDS, BENCH_FULL=1)
	@tools/setup --bench
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j$(JOBS) src/keyhole bench-programs
	@bench/run --build $(BUILD)

bench-quick: ## the short bench: ratios only, under 3 minutes, fails when one is worse than half its bar
	@tools/setup --bench
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j$(JOBS) src/keyhole bench-programs
	@bench/quick --build $(BUILD)

asan: setup ## make check under AddressSanitizer and UBSan
	@tools/sanitized asan address,undefined

tsan: setup ## unit and system tests under ThreadSanitizer
	@tools/sanitized tsan thread

coverage: setup ## branch coverage of access/, audit/, format/; fails at one that is neither taken nor explained
	@tools/coverage

fuzz: setup ## run each fuzz target for SECONDS (default 60)
	@tools/fuzz $(or $(SECONDS_EACH),60)

lint: setup ## clang warnings, clang-tidy, type check of the web app
	@tools/lint

format: ## clang-format over our C
	@tools/setup --clang
	@git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | xargs -r clang-format -i

layers: ## the include rule of ARCHITECTURE.md
	@python3 tools/check-layers

fresh: ## prove `make demo` and `make check` on a bare Debian 12
	@tools/fresh

install: build ## install into PREFIX (default /usr/local)
	@meson configure $(BUILD) --prefix=$(PREFIX) && ninja -C $(BUILD) -j$(JOBS) && meson install -C $(BUILD) --no-rebuild

clean: ## remove what was built
	@rm -rf build build-* web/dist web/node_modules

.PHONY: help setup build demo check check-long bench bench-quick asan tsan coverage fuzz lint format layers fresh install clean
