# crossfade: build, check, demo, bench. `make help` lists the targets.
#
# Every flavour (release, asan, tsan, …) has its own tree below build/; the release programs are
# build/crossfade and build/crossfadectl. `make B=build/mine` builds into a tree of your own.
#
# check, demo and bench install what they lack first (tests/tools/deps.sh), then call make again: only then
# does pkg-config answer.

FLAVOUR ?= release
ifeq ($(origin CC),default)
CC      := $(if $(filter clang fuzz,$(FLAVOUR)),clang,gcc)
endif
B       := $(if $(filter release,$(FLAVOUR)),build,build/$(FLAVOUR))
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc)
PYTHON  := /usr/bin/python3

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
OPT_release := -O2 -g
OPT_clang   := $(OPT_release)
OPT_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
OPT_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT     := $(OPT_$(FLAVOUR))
PKGS     = libmariadb libevent libevent_pthreads libcjson libssl libcrypto zlib libzstd
PKGCFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKGLIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
VERSION := 0.1.0
ALLCFLAGS = -std=c11 -D_GNU_SOURCE -DCROSSFADE_VERSION='"$(VERSION)"' -I. $(WARN) $(OPT) $(PKGCFLAGS) $(CFLAGS)
ALLLIBS   = $(PKGLIBS) -lpthread -lm $(LDFLAGS)

# The floors, lowest first (tests/tools/floors.py holds the includes to this order).
FLOORS   := protocol config proxy/sql proxy/rewrite proxy/migration proxy/net proxy/session proxy/admin
LIB_SRC  := $(wildcard $(addsuffix /*.c,$(FLOORS)))
CTL_SRC  := $(wildcard proxy/ctl/*.c)
MAIN_SRC := $(wildcard proxy/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
CLIENT_SRC := $(wildcard tests/e2e/clients/*.c)
CONNECTOR_SRC := $(wildcard tests/connectors/c/*.c)
BENCH_SRC := $(wildcard tests/bench/*.c)
FIXTURE_SRC := $(wildcard tests/fixtures/*.c)
ALL_SRC  := $(LIB_SRC) $(CTL_SRC) $(MAIN_SRC) $(UNIT_SRC) $(UNIT_HELP) $(FUZZ_SRC) $(CLIENT_SRC) $(CONNECTOR_SRC) $(BENCH_SRC) $(FIXTURE_SRC)
ALL_HDR  := $(wildcard $(addsuffix /*.h,$(FLOORS) proxy proxy/ctl tests/unit tests/fuzz tests/fixtures tests/e2e/clients tests/connectors/c))
# `make V=1` shows the commands, `make -s` nothing.
Q        := $(if $(V),,@)
SILENT   := $(findstring s,$(firstword -$(MAKEFLAGS)))
say       = $(if $(V)$(SILENT),@:,@echo "  $(1)  $(2)")
obj       = $(patsubst %.c,$(B)/obj/%.o,$(1))
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(FUZZ_SRC))
CLIENT_BIN := $(patsubst tests/e2e/clients/%.c,$(B)/clients/%,$(CLIENT_SRC))

.PHONY: all check check-connectors check-servers check-suite demo bench bench-sql sql-suite install clean help unit golden e2e clients asan tsan lint format format-check \
        fuzz fuzz-build fuzz-replay toolchain
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/crossfade $(B)/crossfadectl ## the two programs (default)

$(B)/crossfade: $(call obj,$(MAIN_SRC)) $(B)/libcrossfade.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) -o $@ $^ $(ALLLIBS)

$(B)/crossfadectl: $(call obj,$(CTL_SRC)) $(B)/libcrossfade.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) -o $@ $^ $(ALLLIBS)

$(B)/libcrossfade.a: $(call obj,$(LIB_SRC))
	$(call say,AR  ,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/obj/%.o: %.c | toolchain
	@mkdir -p $(@D)
	$(call say,CC  ,$<)
	$(Q)$(CC) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

toolchain:
	@pkg-config --exists $(PKGS) || \
	{ echo 'crossfade needs a C compiler, pkg-config and libraries: run tests/tools/deps.sh build' >&2; exit 1; }

check: ## everything that must hold, in under ten minutes
	@tests/tools/deps.sh check
	@tests/tools/check.sh

check-servers: ## the end-to-end tests on MariaDB 10.11, MariaDB 11.8 and MySQL 9.7 (needs root or sudo)
	@tests/tools/deps.sh servers
	@CHECK="build_release e2e_release e2e_mariadb_11_8 e2e_mysql_9_7" tests/tools/check.sh

check-connectors: ## real connectors direct and proxied, in every phase, in clear and over TLS: half an hour (RECORD=1: writes the table)
	@tests/tools/deps.sh connectors
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@CROSSFADE_BUILD=$(B) $(PYTHON) tests/connectors/run.py $(if $(RECORD),--record)

check-suite: ## MariaDB's own test suite direct and proxied, text and prepared: hours; goes on where it was left (SECONDS=3600 SUITES=main)
	@tests/tools/deps.sh suite
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@status=0; for suite in $(or $(SUITES),main); do for protocol in normal ps; do CROSSFADE_BUILD=$(B) $(PYTHON) \
	tests/tools/server_suite.py --suite $$suite --protocol $$protocol $(if $(SECONDS),--seconds $(SECONDS)) || status=1; \
	done; done; exit $$status

demo: ## a live migration under load, told as a timeline (KEEP=1 leaves it running)
	@tests/tools/deps.sh demo
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@exec $(PYTHON) tests/demo/demo.py $(if $(KEEP),--keep)

bench: ## against direct and HAProxy: 25 minutes (GOALS=1: what the goals need, 12; QUICK=1: a few; RECORD=1: writes docs/performance.md)
	@tests/tools/deps.sh bench
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@CROSSFADE_BUILD=$(B) $(PYTHON) tests/bench/bench.py $(if $(GOALS),--goals) $(if $(QUICK),--quick) $(if $(RECORD),--record)

soak: ## connections opened and closed for five minutes while others idle (MINUTES=5 RATE=10000 IDLE=5000)
	@tests/tools/deps.sh demo
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@CROSSFADE_BUILD=$(B) $(PYTHON) tests/bench/soak.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)) \
	$(if $(IDLE),--idle $(IDLE))

sql-suite: ## how much of the SQL in MariaDB's own test suite is parsed and rewritten (AGAIN=1: judged before)
	@tests/tools/deps.sh demo
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@CROSSFADE_BUILD=$(B) $(PYTHON) tests/tools/suite.py $(if $(AGAIN),--again)

bench-sql: $(B)/bench/bench_sql ## what the SQL front end costs: nanoseconds a statement, MB/s
	@$<

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(call obj,$(FIXTURE_SRC)) $(B)/libcrossfade.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) -o $@ $^ $(ALLLIBS)

unit: $(UNIT_BIN) ## unit tests of this flavour
	@status=0; for t in $(UNIT_BIN); do $$t || status=1; done; exit $$status

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(call obj,$(UNIT_HELP) $(FIXTURE_SRC)) $(B)/libcrossfade.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) -o $@ $^ $(ALLLIBS) -lcmocka

golden: all ## the rewriter against tests/golden
	@CROSSFADE_BUILD=$(B) tests/golden/run

e2e: all clients ## end to end on a private MariaDB (E2E='-k name' picks)
	@CROSSFADE_BUILD=$(B) $(PYTHON) -m pytest tests/e2e -q -n $(JOBS) $(E2E)

clients: $(CLIENT_BIN)

$(B)/clients/%: tests/e2e/clients/%.c | toolchain
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALLCFLAGS) -o $@ $< $(ALLLIBS)

asan tsan: ## the programs and unit tests under a sanitizer
	@$(MAKE) --no-print-directory FLAVOUR=$@ all unit

lint: ## floors, docs, format, cppcheck, clang-tidy
	@tests/tools/lint.sh

format: ## clang-format over the whole tree
	clang-format -i $(ALL_SRC) $(ALL_HDR)

format-check: ## which files clang-format would change
	@wrong=0; for f in $(ALL_SRC) $(ALL_HDR); do \
	clang-format --dry-run -Werror $$f 2>/dev/null || { echo "$$f: not formatted (make format)"; wrong=1; }; \
	done; exit $$wrong

# What lint.sh and tools need to know of the build.
print-%:
	@echo $($*)

FUZZ_SECONDS ?= 60
FUZZ_B := $(if $(filter file,$(origin B)),build/fuzz,$(B))
fuzz: ## FUZZ_TARGETS (parser …; all) for FUZZ_SECONDS (60) each over its corpus, FUZZ_JOBS (2) side by side
	@$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz-build
	@B=$(FUZZ_B) tests/tools/fuzz.sh run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-replay: ## every fuzz target once over its corpus
	@$(MAKE) --no-print-directory FLAVOUR=fuzz fuzz-build
	@B=$(FUZZ_B) tests/tools/fuzz.sh replay $(FUZZ_TARGETS)

fuzz-build: $(FUZZ_BIN)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(call obj,$(FIXTURE_SRC)) $(B)/libcrossfade.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(OPT) -fsanitize=fuzzer -o $@ $^ $(ALLLIBS)

install: all ## into PREFIX (/usr/local), below DESTDIR
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin share/doc/crossfade share/man/man1 share/man/man8 lib/systemd/system)
	install -m 755 $(B)/crossfade $(B)/crossfadectl $(DESTDIR)$(PREFIX)/bin
	install -m 644 README.md LICENSE docs/*.md config/crossfade.ini $(DESTDIR)$(PREFIX)/share/doc/crossfade
	install -m 644 docs/crossfadectl.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/crossfade.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 docs/crossfade.service docs/crossfade.socket $(DESTDIR)$(PREFIX)/lib/systemd/system

clean: ## removes build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## /\1\t/p' Makefile | awk -F'\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
