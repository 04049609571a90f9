#!/bin/bash
# Servers of other releases, each in a minimal Debian of its own below build/chroot:
#
#   chroot.sh make NAME...            makes those that are not there yet (root; two minutes each)
#   chroot.sh run NAME DIR COMMAND    runs COMMAND in one, with /proc, /dev and DIR (the same path inside) mounted
#   chroot.sh download NAME PACKAGE DIR   a package of its release, unpacked nowhere, into DIR
#   chroot.sh names                   which there are to be had
#
# A chroot that is there is used again; it is made beside its place and moved there when it is whole, so half a one
# is never taken for it. Everything is mounted in a mount namespace of the one process: nobody else sees it, it ends
# with the process however that ends, and "rm -rf build" reaches no device. `run` becomes COMMAND by exec, so the
# caller's child is the server itself, to be signalled and reaped as any other.
#
# The packages come from the mirror that this machine's apt has.
set -euo pipefail
here=$(readlink -f "$0")
chroots=$(dirname "$here")/../../build/chroot
chroots=$(readlink -m "$chroots")

# NAME: the release, and what it is to have.
declare -A suite=([mariadb-11.8]=trixie [mysql-9.7]=sid)
declare -A packages=([mariadb-11.8]=mariadb-server [mysql-9.7]=mysql-server-core,mysql-client-core)
declare -A program=([mariadb-11.8]=/usr/sbin/mariadbd [mysql-9.7]=/usr/sbin/mysqld)

fail() {
    echo "$0: $*" >&2
    exit 1
}

# The address that apt has for Debian itself (security updates are no mirror of a release).
mirror() {
    local uri
    uri=$(apt-get indextargets --format '$(ORIGIN)/$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian\/Debian //p' | head -n 1)
    [ -n "$uri" ] || fail "apt has no Debian mirror: apt-get update"
    echo "$uri"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Whether it is there, with all its packages: an older one may lack some, and is made anew.
whole() { # NAME
    local wanted=${packages[$1]//,/ }
    # shellcheck disable=SC2086
    [ -d "$chroots/$1" ] && dpkg-query --admindir="$chroots/$1/var/lib/dpkg" -W $wanted >/dev/null 2>&1
}

make_one() { # NAME
    local name=$1 root=$chroots/$1 part=$chroots/$1.part keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    ! whole "$name" || return 0
    as_root rm -rf "$part" "$root"
    echo "making $name: Debian ${suite[$name]} with ${packages[$name]}"
    # In a namespace of its own: what debootstrap mounts ends with it. apt's proxy is debootstrap's too.
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    as_root env ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        unshare --mount debootstrap --variant=minbase --keyring="$keyring" --include="${packages[$name]}" \
        "${suite[$name]}" "$part" "$(mirror)" >"$chroots/$name.log" 2>&1 ||
        { tail -n 20 "$chroots/$name.log" >&2; fail "debootstrap failed: $chroots/$name.log"; }
    as_root rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
    as_root chroot "$part" "${program[$name]}" --version || fail "$name has no ${program[$name]}"
    as_root mv "$part" "$root"
}

make_all() { # NAME...
    local name
    for name in "$@"; do
        [ -n "${suite[$name]:-}" ] || fail "no server of the name $name: ${!suite[*]}"
    done
    mkdir -p "$chroots"
    exec 9>"$chroots/lock"
    flock 9
    for name in "$@"; do
        make_one "$name"
    done
}

run() { # NAME DIR COMMAND...
    local root=$chroots/$1 dir=$2
    shift 2
    [ -d "$root" ] || fail "there is no $root: tests/tools/chroot.sh make"
    # Without root the namespace is also one of users, in which the caller is root.
    local map=()
    [ "$(id -u)" = 0 ] || map=(--map-root-user)
    mkdir -p "$root$dir"
    exec unshare "${map[@]}" --mount -- /bin/sh -ec '
        root=$1 dir=$2
        shift 2
        mount --rbind /proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --rbind "$dir" "$root$dir"
        exec chroot "$root" "$@"' sh "$root" "$dir" "$@"
}

# The chroot keeps no package lists: they are fetched into memory and go with the namespace.
download() { # NAME PACKAGE DIR
    run "$1" "$(readlink -f "$3")" /bin/sh -ec '
        mount -t tmpfs lists /var/lib/apt/lists
        mkdir /var/lib/apt/lists/partial
        apt-get -qq -o Acquire::Check-Valid-Until=false update
        cd "$2"
        apt-get -qq -o APT::Sandbox::User=root download "$1"' sh "$2" "$(readlink -f "$3")"
}

case "${1:-}" in
download) download "${@:2}" ;;
make)  make_all "${@:2}" ;;
run)   run "${@:2}" ;;
names) echo "${!suite[@]}" ;;
*)     echo "usage: $0 make NAME... | run NAME DIR COMMAND... | download NAME PACKAGE DIR | names" >&2; exit 2 ;;
esac
