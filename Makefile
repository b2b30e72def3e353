# What a developer types. CI runs .ci/run, which calls these.

CARGO ?= cargo
export TUCKBOX_REQUIRE_REDIS ?= 1
# With 0, the tests of the container images are skipped without root.
export TUCKBOX_REQUIRE_CONTAINERS ?= 1
# The same random programs every time, so that a change is judged by what it
# changed. A plain `cargo test` tries new ones.
export PROPTEST_RNG_SEED ?= 1

.PHONY: all build test setup unit run-it clients browser redis-suite deploy lint doc fuzz crash bench bench-stores build-lambda sam-deploy clean

all: build

build:
	$(CARGO) build --release --locked

# Everything, with what it needs: Debian packages by apt-get, packages of npm and pip.
test: setup unit run-it clients browser redis-suite deploy

setup:
	tests/setup

unit:
	cd tests/express && npm ci --no-audit --no-fund --loglevel=error
	TUCKBOX_REQUIRE_EXPRESS=1 $(CARGO) test --workspace --locked
	$(CARGO) test -p tuckbox-serve --all-features --locked

run-it: build
	tests/cargo-run

# Clients that nobody here wrote, against `tuckbox serve`.
clients: build
	tests/clients/run

browser: build
	cd tests/browser && npm ci --no-audit --no-fund --loglevel=error && npm test

# The tests that Redis is developed with, from Debian's source package, against `tuckbox serve`.
redis-suite: build
	tests/redis-suite/setup
	tests/redis-suite/run

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p tuckbox-serve --all-features --all-targets --locked -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

# What is deployed: the functions under AWS's emulator, the images under runc,
# the templates.
deploy:
	tests/deploy/setup
	tests/deploy/run

ARCH ?= $(shell uname -m | sed s/aarch64/arm64/)
STACK ?= tuckbox

# bootstrap and bootstrap.zip of each function, in target/deploy/lambda.
build-lambda:
	ARCH=$(ARCH) deploy/lambda/build

sam-deploy: build-lambda
	sam deploy --template-file deploy/lambda/template.yaml --stack-name $(STACK) --resolve-s3 \
		--capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
		--parameter-overrides Architecture=$(ARCH) $(SAM_PARAMETERS)

# A minute of fuzzing for each parser of outside input.
fuzz:
	cd fuzz && for target in $$(cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 ASAN_OPTIONS=detect_leaks=0 cargo fuzz run $$target -- -max_total_time=60 || exit 1; done

# Kills and power cuts by the thousand; see docs/durability.md. An hour or so.
crash:
	TUCKBOX_CRASH_ROUNDS=10000 TUCKBOX_POWER_CUTS=3000 $(CARGO) test --release --locked -p tuckbox-engine \
		--test crash -- rounds:: power:: --nocapture

bench: build
	bench/run

bench-stores:
	cd bench/stores && $(CARGO) run --release

clean:
	$(CARGO) clean
