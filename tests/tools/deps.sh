#!/bin/bash
# Installs what a target needs and the machine lacks, from Debian's own packages: deps.sh
# build|demo|check|servers|connectors|suite|bench.
# Silent and quick when nothing is missing. Starts no service; works as root or with sudo.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=(gcc make libc6-dev pkg-config libmariadb-dev libevent-dev libcjson-dev libssl-dev zlib1g-dev libzstd-dev libxxhash-dev uthash-dev)
# The server without its service: mariadb-server-core has mariadbd and mariadb-install-db, client-core the
# `mariadb` client and what mariadb-install-db calls.
run=(mariadb-server-core mariadb-client-core sysbench python3 python3-pymysql)
check=(clang clang-format clang-tidy libclang-rt-dev cppcheck libcmocka-dev python3-pytest python3-pytest-xdist)
# For servers of other releases: what makes their chroots, and what PyMySQL logs in to MySQL with.
servers=(debootstrap debian-archive-keyring python3-cryptography)
# Connectors in their own languages. A Java compiler and node with npm may come from elsewhere.
connectors=(python3-mysqldb php-cli php-mysql perl libdbd-mariadb-perl golang-go golang-github-go-sql-driver-mysql-dev libmariadb-java
    mariadb-client openssl)
command -v javac >/dev/null || connectors+=(default-jdk-headless)
command -v npm >/dev/null || connectors+=(nodejs npm)
suite=(mariadb-test mariadb-client)
bench=(haproxy strace)

case "${1:-}" in
build) packages=("${build[@]}") ;;
demo)  packages=("${build[@]}" "${run[@]}") ;;
check) packages=("${build[@]}" "${run[@]}" "${check[@]}") ;;
servers) packages=("${build[@]}" "${run[@]}" "${check[@]}" "${servers[@]}") ;;
connectors) packages=("${build[@]}" "${run[@]}" "${connectors[@]}") ;;
suite) packages=("${build[@]}" "${run[@]}" "${suite[@]}") ;;
bench) packages=("${build[@]}" "${run[@]}" "${bench[@]}") ;;
*) echo "usage: $0 build|demo|check|servers|connectors|suite|bench" >&2; exit 2 ;;
esac

plugin=auth_ed25519.so
plugin_missing() {
    [[ $1 = check || $1 = servers || $1 = connectors ]] && [ ! -e "/usr/lib/mysql/plugin/$plugin" ] && [ ! -e "build/plugin/$plugin" ]
}

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^ii *//p' || true)
missing=()
for package in "${packages[@]}"; do
    grep -qx "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || plugin_missing "$1" || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "as root, please: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" </dev/null
}

# A package whose service would start on installation (haproxy) asks this file first; where the machine has one
# of its own it is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    if [ ! -e $policy ]; then
        trap '"${as_root[@]}" rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
        "${as_root[@]}" chmod 755 $policy
    fi
    # With package lists that are missing or too old the first try fails: update, and try once more.
    apt install "${missing[@]}" >/dev/null 2>&1 || { apt update >/dev/null && apt install "${missing[@]}" >/dev/null; }
fi

# The server's ed25519 plugin is in mariadb-server, the package with the service: only the one file is taken.
if plugin_missing "$1"; then
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    version=$(dpkg-query -W -f '${Version}' mariadb-server-core)
    (cd "$scratch" && { apt-get -qq download "mariadb-server=$version" 2>/dev/null ||
        { apt update >/dev/null && apt-get -qq download "mariadb-server=$version"; }; })
    dpkg-deb -x "$scratch"/mariadb-server_*.deb "$scratch/tree"
    mkdir -p build/plugin
    cp "$scratch/tree/usr/lib/mysql/plugin/$plugin" build/plugin/
    rm -rf "$scratch"
fi
