.DEFAULT_GOAL := help
GO ?= go
FUZZTIME ?= 20s
DURATION ?= 10m

.PHONY: help demo build test upgrade alerts readers browser faults mutation soak lint fmt foreign fuzz bench bench-rows bench-agents bench-events bench-growth bench-micro release deb reproducible package platforms deploy-lint vulnerable clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## simulator, NATS and bridge in one process, with a live view
	$(GO) run ./cmd/bridge demo

build: ## the program, as ./bridge
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o bridge ./cmd/bridge

test: ## every package, with the race detector; cmd/bridge alone: it has whole bridges at work in real time
	$(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v /cmd/bridge$$)
	$(GO) test -race -timeout 30m ./cmd/bridge

upgrade: ## bridges replaced under load by the version before this, and back; needs the history; three minutes
	$(GO) test -count 1 -tags upgrade -run '^TestRolling$$' -v -timeout 15m ./cmd/bridge

alerts: ## promtool takes the alert rules, and tests them; needs promtool
	promtool check rules docs/alerts/bridge.rules.yaml
	promtool test rules docs/alerts/bridge_test.yaml

readers: ## Ajv and DuckDB take rows and the folder of replay, recipes in JavaScript run; needs node and npm
	cd internal/rowfile/testdata/readers && npm ci --silent --ignore-scripts
	cd docs/consuming/js && npm ci --silent --ignore-scripts
	cd docs/handover/js && npm ci --silent --ignore-scripts
	$(GO) test -count 1 -tags readers -run Readers -v ./internal/rowfile ./docs/consuming ./cmd/bridge

browser: ## the wallboard in a real Chromium, checked by axe-core; prints where pictures are; needs chromium, node and npm
	cd internal/wallboard/testdata/axe && npm ci --silent --ignore-scripts
	$(GO) test -count 1 -tags browser -run Browser -v -timeout 15m ./internal/wallboard ./cmd/bridge

faults: ## every fault, suite with the shipped rights and mutant, a line each; writes docs/proof.md (ONLY=F03,F08 MUTANT=no_gap SEED=7)
	$(GO) run ./internal/proof $(if $(ONLY),-only $(ONLY)) $(if $(MUTANT),-mutant $(MUTANT)) $(if $(SEED),-seed $(SEED))

mutation: ## changes of the code that no test notices; writes docs/mutation.md (ONLY=internal/retry,config WORKERS=2)
	$(GO) run ./internal/mutation $(if $(ONLY),-only $(ONLY)) $(if $(WORKERS),-workers $(WORKERS))

soak: ## random faults for DURATION (10m; try 8h), a line a minute (SEED=7: which, and when)
	$(GO) build -tags faults -o bridge.faults ./cmd/bridge
	BRIDGE_BINARY=$(CURDIR)/bridge.faults SOAK=$(DURATION) PROOF_SEED=$(or $(SEED),7) $(GO) test -tags faults -run '^TestSoak$$' -v -timeout 0 ./cmd/bridge

lint: ## gofmt, go vet, staticcheck, and the rules of internal/house
	@test -z "$$(gofmt -l .)" || { echo "not formatted (make fmt):"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags faults ./...
	$(GO) vet -tags permissions ./...
	$(GO) vet -tags readers ./...
	$(GO) vet -tags upgrade ./...
	$(GO) vet -tags debian ./docs/deploy/...
	$(GO) vet -tags browser ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags faults ./...
	$(GO) tool staticcheck -tags permissions ./...
	$(GO) tool staticcheck -tags readers ./...
	$(GO) tool staticcheck -tags upgrade ./...
	$(GO) tool staticcheck -tags browser ./...
	$(GO) test ./internal/house

fmt: ## format the code
	gofmt -w .

foreign: ## a client that is not ours, in Python, for 150 s with the times of a real platform (FOREIGN=300s)
	FOREIGN=$(or $(FOREIGN),150s) $(GO) test -count 1 -run Foreign -v -timeout 0 ./internal/platformsim

fuzz: ## every fuzz target for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

bench: ## the bridge beside its baselines, in about half an hour on an idle machine; writes docs/benchmarks.md
	$(GO) run ./internal/bench all -document docs/benchmarks.md

bench-rows: ## rows alone, printed only (ROWS=200000 LARGE=500000 ROUNDS=3; BRIDGE=./bridge measures that one)
	$(GO) run ./internal/bench rows $(if $(ROWS),-rows $(ROWS)) $(if $(LARGE),-large $(LARGE)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(BRIDGE),-bridge $(BRIDGE))

bench-agents: ## agents alone: memory and idle polls, printed only (N=10000 ROUNDS=3 BRIDGE=./bridge)
	$(GO) run ./internal/bench agents $(if $(N),-agents $(N)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(BRIDGE),-bridge $(BRIDGE))

bench-events: ## events alone: delay, rate, CPU and syncs, printed only (N=10000 ROUNDS=3 BRIDGE=./bridge)
	$(GO) run ./internal/bench events $(if $(N),-agents $(N)) $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(BRIDGE),-bridge $(BRIDGE))

bench-growth: ## files up to 5,000,000 rows, agents up to 19,000, as pictures, in about 30 minutes; writes docs/growth.md (MOST=5000000)
	$(GO) run ./internal/bench growth -document docs/growth.md -pictures growth $(if $(MOST),-most $(MOST))

bench-micro: ## benchmarks of single functions, with allocations, as benchstat reads them
	$(GO) test -run '^$$' -bench . -benchmem ./...

release: ## archives, bills of materials and checksums for all platforms, in dist/ (ONLY=linux/amd64)
	$(GO) run ./internal/release -archives $(if $(ONLY),-only $(ONLY))

deb: ## Debian packages in dist/; needs dpkg-deb (ONLY=linux/amd64 DEBFULLNAME=… DEBEMAIL=…)
	$(GO) run ./internal/release -deb $(if $(ONLY),-only $(ONLY))

reproducible: ## everything of the last commit made twice, in two folders, and compared (ONLY=linux/amd64)
	$(GO) run ./internal/release -twice -archives -deb $(if $(ONLY),-only $(ONLY))

package: ## the Debian package made, installed on this machine, started from its unit, purged; as root, with lintian, man and systemd's tools
	$(GO) test -count 1 -tags debian -run Package -v ./docs/deploy/debian

platforms: ## go vet for macOS and Windows, and the program for linux/arm64; reproducible makes it for all
	@for p in darwin/arm64 windows/amd64; do \
	  echo "go vet for $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet -trimpath ./... || exit 1; \
	done
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -o /dev/null ./cmd/bridge

deploy-lint: ## Kubernetes', Compose's and BuildKit's own parsers take docs/deploy
	cd docs/deploy/lint && $(GO) vet ./... && $(GO) test -count 1 ./...

vulnerable: ## known vulnerabilities that the program can reach; says so where their database cannot be reached
	@if $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./cmd/bridge > vulnerable.out 2>&1; then cat vulnerable.out; else \
	  cat vulnerable.out; if grep -q '^exit status 3$$' vulnerable.out; then exit 1; fi; \
	  echo "vulnerable: nothing was looked up: the database could not be reached, or govulncheck failed"; fi

clean: ## what build, faults, soak and simulate leave behind; data/ is a bridge's, remove it yourself
	rm -rf bridge bridge.faults proof.out sim dist vulnerable.out
