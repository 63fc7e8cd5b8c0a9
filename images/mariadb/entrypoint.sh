#!/bin/bash
# Makes an empty database where there is none, and becomes the server. As in the official image: MARIADB_USER, MARIADB_PASSWORD and
# MARIADB_ROOT_PASSWORD (or each with _FILE: a file that holds it), and the statements in /docker-entrypoint-initdb.d at the first start.
set -euo pipefail
data=/var/lib/mysql
made=$data/data

setting() {
  local file="${1}_FILE"
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-}"; fi
}

quoted() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"
}

# The statements run in a server that nobody can reach, each up to a ; at a line's end; renamed at the end, so that half a database is never taken for one.
make_data() {
  local user password root
  user=$(setting MARIADB_USER) password=$(setting MARIADB_PASSWORD) root=$(setting MARIADB_ROOT_PASSWORD)
  rm -rf "$made.partial"
  mysql_install_db --no-defaults --datadir="$made.partial" --auth-root-authentication-method=socket --skip-test-db >/dev/null
  {
    echo 'FLUSH PRIVILEGES;' # Without it there are no users yet that could be told anything.
    if [ -n "$user" ]; then echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"; fi
    for file in /docker-entrypoint-initdb.d/*.sql; do
      [ ! -f "$file" ] || cat "$file"
      echo
    done
    if [ -n "$root" ]; then echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$root");"; fi
  } | mariadbd --no-defaults --datadir="$made.partial" --bootstrap --character-set-server=utf8mb4
  mv "$made.partial" "$made"
}

[ -d "$made" ] || make_data
exec mariadbd --no-defaults --datadir="$made" --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid \
  --bind-address=0.0.0.0 --skip-name-resolve --character-set-server=utf8mb4 "$@"
