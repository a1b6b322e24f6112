# The commands of this repository. One profile (dev) serves demo, test, check and smoke, so that a fresh
# machine compiles each dependency once.

CARGO_FLAGS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-once instructions compare deep smoke

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole story on this machine, nothing to install (ARGS=--exit ends after it)
	cargo run $(CARGO_FLAGS) -- demo $(ARGS)

test: ## install what the tests need (redis-server, a Python SDK), then run them all
	@.ci/setup
	cargo test $(CARGO_FLAGS) --workspace $(ARGS)

check: ## formatting, lints (benches included), documents; warnings are errors
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc $(CARGO_FLAGS) --no-deps --workspace

bench: ## benchmarks with the release profile
	cargo bench $(CARGO_FLAGS) --workspace $(ARGS)

bench-once: ## every benchmark once, with the dev profile, to see that it runs
	cargo test $(CARGO_FLAGS) --bench gateway --bench ledger -- --test

instructions: ## instructions a send against their budget (WRITE=1 writes the budget anew)
	@.ci/instructions

compare: ## the gateway beside other proxies; writes docs/performance.md (ARGS=--help for shorter ones)
	@.ci/setup
	@.ci/setup-peers
	cargo build $(CARGO_FLAGS) --release --workspace --bins --quiet
	$${CARGO_TARGET_DIR:-target}/release/loadtest compare --write docs/performance.md $(ARGS)

deep: ## what is too long for every commit: SDKs over TLS, fuzzing, benchmarks, dependency rules
	@.ci/deep

smoke: ## a short load test with its audit
	@.ci/smoke $(ARGS)
