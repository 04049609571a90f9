#!/bin/sh
# Makes the data directory on the first start, then is the server. The accounts are made by the init file.
set -eu
data=/var/lib/mysql
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --no-defaults --datadir="$data" --skip-test-db --auth-root-authentication-method=socket \
        --auth-root-socket-user=mysql >/dev/null
fi
exec /usr/sbin/mariadbd --no-defaults --datadir="$data" --bind-address=0.0.0.0 --skip-name-resolve \
    --socket=/run/mysqld/mysqld.sock --character-set-server=utf8mb4 --init-file=/etc/mysql/accounts.sql
