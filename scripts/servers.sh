#!/bin/sh
# Installs PostgreSQL, MariaDB, PgBouncer and a browser for the tests where that can be done (root and apt). Never fails:
# what is missing after this is skipped, counted and printed by the tests. PostgreSQL also comes as a wheel, with the
# extra `test`.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then
    echo "==> installing chromium, which shows what a notebook's page makes of a result"
    sh scripts/apt.sh chromium || echo "==> could not install chromium; the test that needs it is skipped and counted"
fi
missing=
[ -n "${FEDQ_PGBIN:-}" ] || command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    missing=postgresql
[ -x build/mariadb/usr/sbin/mariadbd ] || PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mariadbd >/dev/null ||
    missing="$missing mariadb-server"
PATH=$PATH:/usr/sbin:/usr/local/sbin command -v pgbouncer >/dev/null || missing="$missing pgbouncer"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "==> installing $missing for the tests (they start their own servers; no service is started)"
    # shellcheck disable=SC2086  # one word per package
    sh scripts/apt.sh $missing || echo "==> could not install $missing; the tests that need it are skipped and counted"
    exit 0
fi
case $missing in *pgbouncer*) echo "==> no PgBouncer installed: what needs it is skipped and counted" ;; esac
case $missing in *postgresql*) echo "==> no PostgreSQL installed: the tests use the wheel's, if there is one" ;; esac
case $missing in
    *mariadb*)
        echo "==> no MariaDB installed: unpacking its packages into build/mariadb"
        sh scripts/unpack_mariadb.sh >/dev/null || echo "==> that failed; what needs MariaDB is skipped and counted"
        ;;
esac
exit 0
