# What can be done here. Everything sets up what it needs first; once set up, that is quick.

# chaos: how long (SECONDS), which schedule (SEED; none: any), requests a second (RATE)
SECONDS ?= 120
SEED ?=
RATE ?= 200
# failover: how often each fault; bench: how often each contender
ROUNDS ?=
# bench: one contender (NAME), EVENTS, TOPICS; `bench/bench consumers --help` says which there are
NAME ?=
EVENTS ?=
TOPICS ?=

.PHONY: all help demo demo-docker test test-all sweep model mutants chaos failover bench bench-consumers bench-services instructions up down package images sbom publish format lint idle clean

all: ## builds the programs into build/programs/bin
	@run/setup programs

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 - /p' Makefile

demo: ## the whole shop for half a minute, a broker stopped in the middle, and a count at the end: KEEP=1 leaves it running
	@run/setup --kafka programs
	@run/demo

demo-docker: ## the same with Docker and nothing else
	@run/demo-docker

test: ## the tests of every room, the flows, and the system on two real brokers
	@run/setup --kafka --tests release
	@tests/run release

test-all: ## the same, with the page in Chromium, the sanitizers, Docker, clang and the linters
	@run/setup --kafka --tests --browser --checks --monitoring --documents release programs
	@tests/run all

sweep: ## kills the processes at every write, sync, rename and send there is; POINTS=n: at about n of them
	@run/setup --tests release
	@STORY_BUILD="$(CURDIR)/build/release" PYTHONDONTWRITEBYTECODE=1 tests/crash/test_crash_points.py $(if $(POINTS),--points $(POINTS),--all)

model: ## checks the argument of docs/EXACTLY-ONCE.md: every order of events of a small model
	@run/setup --tests
	@tests/model/check

mutants: ## breaks the code in one place at a time, and shows that a test notices
	@run/setup --tests
	@tests/model/mutants

chaos: ## the shop under load while all of it fails by a schedule, then a count: SEED=1 SECONDS=120 RATE=200
	@run/setup --kafka --tests release
	@tests/chaos/chaos $(if $(SEED),--seed $(SEED)) --seconds $(SECONDS) --rate $(RATE)

failover: ## how long an event waits when a broker or a process dies: ROUNDS=3
	@run/setup --kafka --tests release
	@tests/failover/failover $(if $(ROUNDS),--rounds $(ROUNDS))

bench: bench-consumers $(if $(NAME),,bench-services) ## how fast and how light, side by side with others: NAME=franz-go EVENTS=2000000 ROUNDS=5

bench-consumers: ## the consumer alone, beside those that people use instead: TOPICS=plain,headers,lz4,zstd
	@run/setup --kafka --tests --bench release
	@bench/bench consumers $(if $(NAME),--name $(NAME)) $(if $(EVENTS),--events $(EVENTS)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(TOPICS),--topics $(TOPICS))

bench-services: ## cart, stock and their relays alone
	@run/setup --kafka --tests --bench release
	@bench/bench services $(if $(ROUNDS),--rounds $(ROUNDS))

instructions: ## how many instructions an event takes, by callgrind, against bench/instructions.json
	@run/setup --tests --checks release
	@bench/instructions

up: ## starts whatever of the shop is not running on this machine, on fixed ports
	@run/setup --kafka programs
	@run/up

down: ## stops what `make up` started
	@run/down

package: ## Debian packages of the three programs, into build/packages
	@run/setup --package
	@run/package

images: ## builds the images and prints their sizes
	@run/images

sbom: ## an SBOM (SPDX 2.3) of each image, into build/sbom
	@run/images
	@run/sbom $(foreach name,cart stock metrics-consumer kafka,shop/$(name):$$(docker version --format '{{.Server.Arch}}'))

publish: ## builds, tags and pushes the consumer's image: make publish IMAGE=yourname/metrics-consumer:hw9
	@run/publish "$(IMAGE)"

idle: ## what each of the three processes costs while nothing happens
	@run/setup --kafka programs
	@run/idle

format: ## formats the C files
	@run/setup --checks
	@run/format

lint: ## clang-tidy, and whether the C files are formatted
	@run/setup --checks --tests clang
	@run/lint

clean: ## removes what was built
	rm -rf build kafka/target
