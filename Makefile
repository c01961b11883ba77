# Locum. Two commands do everything, set-up included: `make demo` and `make test`.

SHELL       := /bin/bash
GO          ?= go
BIN         := bin
WASM        := $(BIN)/app.wasm
STATIC      := web/static
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
WASM_SRC    := $(shell find app shared cmd/wasm cmd/assets -name '*.go' ! -name '*_test.go' 2>/dev/null) go.mod go.sum
DEMO_ADDR   ?= localhost:8080
FUZZTIME    ?= 30s
KEYCLOAK    ?= 26.7.3

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk 'BEGIN{FS=":.*## "} /^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## build both halves and start Locum with the embedded sandbox (Ctrl-C stops it)
	./$(BIN)/locum demo --listen $(DEMO_ADDR)

.PHONY: test
test: setup build vet ## install what the tests need and run everything: unit, sandbox, HTTP and browser tests
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout 14m ./...

.PHONY: setup
setup: ## install Debian's chromium, gcc, nginx and strace where they are missing
	@.ci/setup

.PHONY: wasm
wasm: $(STATIC)/app.wasm.br ## build the WebAssembly half, compressed

$(WASM): $(WASM_SRC)
	@mkdir -p $(BIN)
	$(GO) run ./cmd/assets -overlay $(BIN)/overlay.json
	GOOS=js GOARCH=wasm $(GO) build -overlay $(BIN)/overlay.json -trimpath -ldflags='-s -w' -o $@ ./cmd/wasm

$(STATIC)/app.wasm.br: $(WASM)
	$(GO) run ./cmd/assets -in $(WASM) -out $(STATIC)

.PHONY: build
build: wasm ## build the binary with the WebAssembly half inside
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(BIN)/locum ./cmd/locum

.PHONY: vet
vet: ## go vet for both targets
	$(GO) vet ./...
	GOOS=js GOARCH=wasm $(GO) vet ./app/... ./shared/... ./cmd/wasm

.PHONY: lint
lint: vet ## vet, formatting and staticcheck for both targets
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'd:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(STATICCHECK)
	$(BIN)/staticcheck ./...
	GOOS=js GOARCH=wasm $(BIN)/staticcheck ./app/... ./shared/... ./cmd/wasm

.PHONY: e2e
e2e: setup build ## the browser journeys alone
	$(GO) test -count=1 -v ./e2e

# Go's fuzzer sometimes fails of its own time limit ("context deadline exceeded"): alone, that is no finding. A package whose
# tests do not build, a seed that fails and an input that was written down are.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s: a quarter of an hour in all); a finding leaves its input under testdata/fuzz
	@mkdir -p $(BIN); set -eo pipefail; for p in $$($(GO) list ./...); do names=$$($(GO) test -list '^Fuzz' $$p); \
	  for f in $$(grep '^Fuzz' <<<"$$names" || true); do echo "$$p $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s $$p 2>&1 | tee $(BIN)/fuzz.log || \
	    { grep -q 'context deadline exceeded' $(BIN)/fuzz.log && ! grep -q 'Failing input' $(BIN)/fuzz.log; } || exit 1; done; done

.PHONY: crash
crash: build ## the crash campaign: 1,000 × kill -9, and a failing disk at every call (LOCUM_CRASH=N)
	LOCUM_CRASH=$${LOCUM_CRASH:-1000} $(GO) test -count=1 -timeout 60m -v ./e2e/crash

.PHONY: interop
interop: build ## Locum against a real Keycloak from Maven Central (KEYCLOAK=26.7.3); skipped where Java or Maven is missing
	LOCUM_INTEROP=$(KEYCLOAK) LOCUM_BINARY=$(CURDIR)/$(BIN)/locum $(GO) test -count=1 -parallel 8 -timeout 30m -v ./e2e/interop

.PHONY: conformance
conformance: setup build ## SMART App Launch 2.2: run the test of every client requirement, and count them
	LOCUM_CONFORMANCE=1 $(GO) test -count=1 -timeout 20m -v -run '^(TestConformance|TestEveryNamedTest)$$' ./e2e/conformance

.PHONY: day
day: ## a whole day of 500 connections, and an outage with 1,000, in the keeper's own time
	LOCUM_LONG=1 $(GO) test -count=1 -timeout 40m -v -run 'TestDay|TestT052|TestT051Mis' ./bff/tokens

.PHONY: doubts
doubts: ## lost answers, failures, restarts and kills in any order, against every kind of rotation (LOCUM_DOUBTS=steps)
	LOCUM_DOUBTS=$${LOCUM_DOUBTS:-400} $(GO) test -count=1 -timeout 60m -v -run TestT049Random ./bff/tokens

.PHONY: storage
storage: ## the vault alone: 10,000 damaged files, 1,000 × kill -9, a million seals
	LOCUM_BROKEN_FILES=10000 LOCUM_KILLS=1000 LOCUM_NONCES=1000000 $(GO) test -count=1 -timeout 60m -v -run 'TestT06[256]' ./bff/vault

.PHONY: mutants
mutants: ## hostile requests: a million against net/http (LOCUM_MUTANTS=N), and 5,000 by socket, alone and behind proxies
	LOCUM_MUTANTS=$${LOCUM_MUTANTS:-1000000} $(GO) test -count=1 -timeout 120m -v -run 'TestT083Differential' ./bff
	LOCUM_MUTANTS=5000 $(GO) test -count=1 -timeout 120m -v -run 'TestT083' ./e2e/wire

.PHONY: saturate
saturate: ## ten minutes at ten times the load that the limits let pass, counted by the sandbox (LOCUM_SATURATE=10m)
	LOCUM_SATURATE=$${LOCUM_SATURATE:-10m} $(GO) test -count=1 -v -timeout 0 -run 'TestT10[1267]' ./bff/throttle ./bff/proxy

.PHONY: bench
bench: build ## what a call costs beside proxies that do nothing else, in one run of a few minutes
	$(GO) build -o $(BIN)/bench ./cmd/bench
	./$(BIN)/bench -locum $(BIN)/locum

.PHONY: check
check: ## exactly what CI runs
	.ci/run

.PHONY: clean
clean: ## remove what the build made
	rm -rf $(BIN) $(STATIC)/app.wasm*
