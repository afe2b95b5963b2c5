# What a change has to pass. Go and make are enough; a C compiler, where there is one, adds the race detector.
# The pattern "work" is every package of every module that go.work names, so a new module needs no line here.

SHELL := bash
.PHONY: test lint fuzz soak flood fleet crash faults timing bench bench-gate cover mutate

# Go turns cgo off where it finds no C compiler, and the race detector needs cgo.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# With it Go checks each use of a pointer, in SQLite too, which is C that a program has turned into Go: that finds nothing of ours, and
# doubles the time.
UNCHECKED := $(if $(RACE),-gcflags=modernc.org/...=-d=checkptr=0)
# CI takes no result from the cache.
FRESH := $(if $(CI),-count=1)
# The stores that outlive a process.
STORES := ./sqlitestore ./pgxstore ./redisstore
# How long each fuzz target runs, and the soak: `make soak TIME=1m`.
TIME ?= 60s
# A pinned version: a new release must not turn yesterday's commit red. Its first run builds it, in about two minutes.
LINTER := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

## test: vet and test every module
test:
	$(if $(RACE),,@echo "No C compiler, so the tests run without the race detector.")
	go vet work
	go test $(RACE) $(UNCHECKED) $(FRESH) work
	@# The race detector makes a million random mints slow, so that with it there are fewer, and makes pools forget: here they are all, and
	@# here it is counted what is allocated.
	$(if $(RACE),go test $(FRESH) -run 'TestM7|TestMintAllocations' .)

## lint: formatting, the linters of .golangci.yml, staticcheck and go vet among them, and whether all compiles where an int has 32 bits
lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then printf 'gofmt would change:\n%s\n' "$$files"; exit 1; fi
	@packages=$$(go list -m -f '{{.Dir}}/...') && $(LINTER) run $$packages
	CGO_ENABLED=0 GOARCH=386 go vet work

## fuzz: every fuzz target of every module in turn, for TIME each, and little of that for shortening what it found
fuzz:
	@set -eu -o pipefail; grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|/[^/]*:func | |' | sort \
	| while read -r dir name; do echo "$$name for $(TIME)"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(TIME) -fuzzminimizetime 100x "$$dir" </dev/null; done

## soak: everything at once, for TIME: 64 goroutines mint, revoke, verify and rotate keys, and each answer is checked
soak: TIME = 10m
soak:
	go test $(RACE) -count=1 -timeout 0 -run '^TestSoak$$' -v . -soak $(TIME)

## flood: what a Verifier keeps of COUNT good and COUNT bad tokens that it has never seen before, while others are in use
flood: COUNT = 10000000
flood:
	go test -count=1 -timeout 0 -run '^TestFlood$$' -v . -flood $(COUNT)

## fleet: how soon many verifiers know of a revocation, and that none believes a token for longer than the bound, whatever happens
fleet:
	go test -count=1 -timeout 0 -run '^TestFleet' -v ./internal/fleet \
		-fleet-verifiers 64 -fleet-revocations 10000 -fleet-staleness 5s -fleet-history 60s

## crash: what stores keep when they are killed: so many kill -9 each, `make crash CYCLES=1000`
crash: CYCLES = 200
crash:
	CRASH_CYCLES=$(CYCLES) go test -count=1 -timeout 0 -run '^TestCrash' -v $(STORES)

## faults: what verifiers say while a store is in trouble: so many verifies for each fault
faults: VERIFIES = 100000
faults:
	FAULT_VERIFIES=$(VERIFIES) go test -count=1 -timeout 0 -run '^TestFault' -v $(STORES)

## timing: whether the time of a refusal tells where a forged MAC goes wrong; wants a machine with nothing else to do
timing:
	go test -run '^$$' -bench '^BenchmarkMACMismatch$$' -benchtime 1000000x -count 3 .

## bench: this library beside its peers, with Go's coming encoding/json and with today's; writes bench/SPEED.md and bench/speed.svg
bench:
	@set -eu; kept=$$(mktemp -d); trap 'rm -r "$$kept"' EXIT; cd bench; \
	go run ./speed -save "$$kept/today"; GOEXPERIMENT=jsonv2 go run ./speed -save "$$kept/coming"; \
	go run ./speed -report "$$kept/today,$$kept/coming"

## bench-gate: the instructions of what every user pays for, against bench/gate.txt; wants valgrind, and amd64
bench-gate:
	cd bench && go run ./gate

## cover: how much of each function the tests reach, by cover.out
cover:
	go test $(FRESH) -coverprofile cover.out work
	@go tool cover -func cover.out

## mutate: break each check in turn and show that a test fails; all of them, or so many: `make mutate SAMPLE=20`
mutate:
	go run ./internal/mutate $(if $(SAMPLE),-sample $(SAMPLE))
