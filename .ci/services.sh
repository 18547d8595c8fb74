#!/usr/bin/env bash
# Starts what tests need: PostgreSQL, MariaDB and Redis on this machine's loopback interface; and installs nginx, Chromium, and
# the libraries of other languages for the interoperability tests.
#
#   eval "$(bash .ci/services.sh)"
#
# For each of USHER_TEST_POSTGRES_URL, USHER_TEST_MARIADB_DSN and USHER_TEST_REDIS_URL that is set, it waits until
# that server answers. For each that is not, it installs Debian's package if there is none (as root or by sudo),
# starts the server if it is stopped, and makes a user and a database of the tests' own: usher_test, with a password
# that everybody knows and rights over databases named usher_test… alone (PostgreSQL: over databases of its own).
# USHER_TEST_CHROMIUM is the browser's path: if it is not set, that of a Chromium or Chrome that is there or installed.
# USHER_TEST_PGBOUNCER is PgBouncer's path. The tests start one of their own before that PostgreSQL, as they start Redis
# servers with replicas, Sentinel and Cluster, and servers of MariaDB and PostgreSQL with other settings; all of those
# listen on free ports of the loopback and end with their test.
# USHER_TEST_NGINX is nginx's path. The tests start one of their own, on a free port.
# USHER_TEST_INTEROP=1 says that Node, PHP, and Python with PyJWT, bcrypt and the hashes of its frameworks are there.
# It prints the variables as export commands, and all else on stderr.
set -euo pipefail
shopt -s inherit_errexit

say() { echo "services: $*" >&2; }

die() {
	say "$@"
	exit 1
}

# as USER COMMAND...: runs a command as another user of this machine.
as() {
	local user=$1
	shift
	if [[ $(id -un) == "$user" ]]; then
		"$@"
	elif [[ $(id -u) == 0 ]]; then
		runuser -u "$user" -- "$@"
	elif sudo -n true 2>/dev/null; then
		sudo -n -u "$user" -- "$@"
	else
		die "needs to run \"$*\" as $user; be root, or set the USHER_TEST_ variables to servers of yours"
	fi
}

answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# await COMMAND...: repeats a command for up to half a minute until it succeeds.
await() {
	for _ in {1..150}; do
		! "$@" || return 0
		sleep 0.2
	done
	say "waited in vain for: $*"
	return 1
}

# await_given VALUE: waits for the server of a URL or DSN, if it names host and port.
await_given() {
	if [[ $1 =~ ([A-Za-z0-9.-]+):([0-9]+)([/?\)]|$) ]]; then
		await answers "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	fi
}

# need COMMAND PACKAGE: installs the package that brings a command, if there is no such command.
need() {
	PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || install "$2"
}

install() {
	say "installing $*"
	as root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are here"
	as root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null
}

# start SERVICE PORT: starts a service of the distribution, if nothing answers at its port.
start() {
	answers 127.0.0.1 "$2" && return
	say "starting $1"
	# What counts is that it answers, not what the start script makes of it. A server must not keep this script's
	# output open, or whoever reads that would wait for ever.
	as root env PATH="$PATH:/usr/sbin:/sbin" service "$1" start >"$log" 2>&1 </dev/null &
	await answers 127.0.0.1 "$2" || {
		cat "$log" >&2
		die "$1 does not start"
	}
}

set_up_postgres() {
	local url='postgres://usher_test:usher_test@127.0.0.1:5432/usher_test?sslmode=disable'
	need pg_ctlcluster postgresql
	start postgresql 5432
	await pg_isready --quiet --host=127.0.0.1
	as postgres psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres >&2 <<-'SQL'
		SELECT 'CREATE ROLE usher_test' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_test') \gexec
		ALTER ROLE usher_test LOGIN CREATEDB PASSWORD 'usher_test';
		SELECT 'CREATE DATABASE usher_test OWNER usher_test'
			WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'usher_test') \gexec
	SQL
	psql --no-psqlrc --quiet --command='SELECT 1' "$url" >/dev/null
	echo "$url"
}

set_up_mariadb() {
	need mariadbd mariadb-server
	start mariadb 3306
	as root mariadb --protocol=socket >&2 <<-'SQL'
		CREATE DATABASE IF NOT EXISTS usher_test CHARACTER SET utf8mb4;
		CREATE USER IF NOT EXISTS usher_test@localhost IDENTIFIED BY 'usher_test';
		CREATE USER IF NOT EXISTS usher_test@127.0.0.1 IDENTIFIED BY 'usher_test';
		GRANT ALL ON `usher\_test%`.* TO usher_test@localhost;
		GRANT ALL ON `usher\_test%`.* TO usher_test@127.0.0.1;
	SQL
	mariadb --host=127.0.0.1 --port=3306 --user=usher_test --password=usher_test --execute='SELECT 1' usher_test >/dev/null
	echo 'usher_test:usher_test@tcp(127.0.0.1:3306)/usher_test'
}

set_up_redis() {
	local url=redis://127.0.0.1:6379/9
	need redis-server redis-server
	start redis-server 6379
	[[ $(redis-cli -u "$url" ping) == PONG ]] || die "Redis does not answer to ping"
	echo "$url"
}

# The tests themselves start it, and don't use the one that Debian starts.
set_up_pgbouncer() {
	need pgbouncer pgbouncer
	PATH=$PATH:/usr/sbin command -v pgbouncer
}

# The tests themselves start it, and don't use the one that Debian starts.
set_up_nginx() {
	need nginx nginx
	PATH=$PATH:/usr/sbin command -v nginx
}

# The tests themselves start it.
set_up_chromium() {
	local name
	for name in chromium chromium-browser google-chrome; do
		! command -v "$name" || return 0
	done
	need chromium chromium
	command -v chromium
}

# The tests themselves start these, and get the libraries that come from npm.
set_up_interop() {
	need node nodejs
	need npm npm
	need php php-cli
	local python has=false
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import jwt, bcrypt, cryptography, passlib, flask_bcrypt, werkzeug' 2>/dev/null && has=true
	done
	"$has" || install python3-jwt python3-bcrypt python3-cryptography python3-passlib python3-flask-bcrypt python3-werkzeug
	echo 1
}

# provide VARIABLE FUNCTION: prints the variable, as given or with what the function sets up and prints.
provide() {
	local value=${!1:-}
	if [[ -n $value ]]; then
		await_given "$value"
		say "$1 as given"
	else
		value=$("$2")
		say "$1 set up"
	fi
	printf 'export %s=%q\n' "$1" "$value"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
provide USHER_TEST_POSTGRES_URL set_up_postgres
provide USHER_TEST_MARIADB_DSN set_up_mariadb
provide USHER_TEST_REDIS_URL set_up_redis
provide USHER_TEST_PGBOUNCER set_up_pgbouncer
provide USHER_TEST_NGINX set_up_nginx
provide USHER_TEST_CHROMIUM set_up_chromium
provide USHER_TEST_INTEROP set_up_interop
