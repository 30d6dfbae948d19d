.DEFAULT_GOAL := help
GO ?= go
FUZZTIME ?= 20s

.PHONY: help demo build test lint fmt fuzz bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## simulator, NATS and bridge in one process, with a live view
	$(GO) run ./cmd/bridge demo

build: ## the program, as ./bridge
	CGO_ENABLED=0 $(GO) build -trimpath -o bridge ./cmd/bridge

test: ## every package, with the race detector
	$(GO) test -race -timeout 5m ./...

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not formatted (make fmt):"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fmt: ## format the code
	gofmt -w .

fuzz: ## every fuzz target for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean: ## what build and simulate leave behind; data/ is a bridge's, remove it yourself
	rm -rf bridge sim
