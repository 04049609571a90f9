# crossfade: build, check, demo, bench. `make help` lists the targets.
#
# Every flavour (release, asan, tsan, …) has its own tree below build/; the release programs are
# build/crossfade and build/crossfadectl.

FLAVOUR ?= release
CC      ?= cc
B       := $(if $(filter release,$(FLAVOUR)),build,build/$(FLAVOUR))
PREFIX  ?= /usr/local
DESTDIR ?=

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
OPT     := -O2 -g -fno-omit-frame-pointer
ifeq ($(FLAVOUR),asan)
OPT     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
endif
ifeq ($(FLAVOUR),tsan)
OPT     := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
endif
PKGS     = libmariadb libevent libevent_pthreads libcjson inih
PKGCFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKGLIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
VERSION := 0.1.0
ALLCFLAGS = -std=c11 -D_GNU_SOURCE -DCROSSFADE_VERSION='"$(VERSION)"' -I. $(WARN) $(OPT) $(PKGCFLAGS) $(CFLAGS)
ALLLIBS   = $(PKGLIBS) -lpthread $(LDFLAGS)

# The floors, lowest first (tests/tools/floors.sh holds the includes to this order).
FLOORS   := protocol config proxy/sql proxy/rewrite proxy/migration proxy/net proxy/session proxy/admin
LIB_SRC  := $(wildcard $(addsuffix /*.c,$(FLOORS)))
CTL_SRC  := $(wildcard proxy/ctl/*.c)
MAIN_SRC := $(filter-out $(wildcard proxy/*_test.c),$(wildcard proxy/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c)
obj       = $(patsubst %.c,$(B)/obj/%.o,$(1))
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))

.PHONY: all clean help install unit
all: $(B)/crossfade $(B)/crossfadectl

$(B)/crossfade: $(call obj,$(MAIN_SRC)) $(B)/libcrossfade.a
	$(CC) $(OPT) -o $@ $^ $(ALLLIBS)

$(B)/crossfadectl: $(call obj,$(CTL_SRC)) $(B)/libcrossfade.a
	$(CC) $(OPT) -o $@ $^ $(ALLLIBS)

$(B)/libcrossfade.a: $(call obj,$(LIB_SRC))
	rm -f $@ && ar rcs $@ $^

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(B)/libcrossfade.a
	@mkdir -p $(@D)
	$(CC) $(OPT) -o $@ $^ $(ALLLIBS) -lcmocka

unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do $$t || exit 1; done

clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
