# What a developer types; each target installs what it needs.

.PHONY: help demo cross test test-offload test-cross test-luci bench bench-flood bench-idle bench-soak lint

help: ## Say what can be typed
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

demo: ## Knock at a port and watch it open and close, in network namespaces
	@tests/setup.sh lab
	@cargo build --quiet --bins --example demo
	@tests/as-root.sh target/debug/examples/demo

cross: ## Build the binaries and packages for routers
	@tests/setup.sh cross
	@cross/build && cross/ipk && cross/table

test: lint ## Check the form of everything and run every test
	@tests/setup.sh lab page
	@tests/run.sh

test-offload: ## Boot two kernels and test what becomes of offloaded flows
	@tests/setup.sh lab machine
	@tests/machine/run.sh

test-cross: ## Look at the routers' binaries, and run them on emulated CPUs and machines
	@tests/setup.sh cross
	@cross/build
	@tests/cross/run.sh

test-luci: ## Drive the pages in a browser, with LUCI_SRC=/path/to/luci
	@LUCI_SRC="$(LUCI_SRC)" tests/luci-browser/run.sh

bench: ## Measure speed and size beside fwknopd
	@tests/setup.sh lab bench
	@tests/bench.sh

bench-flood: ## Count the knocks that open under floods, beside fwknopd
	@tests/setup.sh lab bench
	@tests/bench.sh flood

bench-idle: ## Count the wake-ups of idle daemons in a minute
	@tests/setup.sh lab
	@SPA_IDLE_SECONDS=60 cargo test --test lab_idle --config "target.'cfg(unix)'.runner = '$(CURDIR)/tests/as-root.sh'" -- --nocapture

bench-soak: ## Send a million knocks and look at what they leave behind
	@tests/setup.sh lab
	@tests/bench.sh soak

lint: ## Check formatting, lints and shell scripts
	@tests/setup.sh build lint
	@tests/lint.sh
