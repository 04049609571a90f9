#!/bin/sh
# The compose file's client: an application that writes to shop.users through crossfade the whole time, while
# this script walks users_name from expand to cutover, back, and to cutover again. Status 0: no statement failed
# and every row agrees.
set -eu
sql() { mariadb --no-defaults --protocol=tcp --host=crossfade --port=3307 --user=app --password=app-example \
    --batch --skip-column-names shop "$@"; }
ctl() { echo "> crossfadectl $*"; crossfadectl "$@"; }

tries=0
until sql -e 'DO 1' 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || { echo 'no server behind crossfade after two minutes' >&2; exit 1; }
    sleep 1
done

sql -e "CREATE OR REPLACE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, fullname VARCHAR(120) NOT NULL DEFAULT '');
        INSERT INTO users (fullname) SELECT CONCAT('Ada Lovelace ', seq) FROM seq_1_to_10000;"

# One long connection: statements go on without a pause until `stop` exists.
work=$(mktemp -d)
(
    number=0
    while [ ! -e "$work/stop" ]; do
        number=$((number + 1))
        echo "UPDATE users SET fullname = 'Grace Hopper $number' WHERE id = 1 + $number % 10000;"
        echo "INSERT INTO users (fullname) VALUES ('Alan Turing $number');"
        echo "SELECT fullname FROM users WHERE id = 1 + $number % 10000;"
    done
) | sql >"$work/answers" 2>"$work/errors" &
application=$!

ctl status
ctl expand users_name --apply
ctl dual-write users_name
ctl backfill users_name
ctl verify users_name
ctl cutover users_name
ctl rollback users_name
ctl cutover users_name
touch "$work/stop"
wait $application || { cat "$work/errors" >&2; exit 1; }

echo "application: $(wc -l <"$work/answers") answers, $(grep -vc '^Grace Hopper ' "$work/answers" || true) wrong"
[ -s "$work/answers" ] && ! grep -qv '^Grace Hopper ' "$work/answers"
ctl verify users_name
drift=$(sql -e "SELECT COUNT(*) FROM users WHERE NOT (fullname <=> CONCAT(first_name, IF(last_name = '', '', CONCAT(' ', last_name))))")
echo "rows that drift: $drift"
[ "$drift" = 0 ]
