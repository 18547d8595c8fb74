package sqlstore

import (
	"strconv"
	"strings"
)

// Dialect is a database's variant of SQL.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite" // 3.24 or later
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
)

// grammar holds the SQL in which the dialects differ.
type grammar struct {
	numbered bool // placeholders are $1, $2, … instead of ?

	// addSession ends an INSERT that changes nothing if the session exists.
	addSession string
	// upsertSubject ends an INSERT of a subject's row. If the row exists, each of its times is set to the later one.
	upsertSubject string
	// deleteOf begins a DELETE of a subject's sessions, up to WHERE.
	deleteOf string
	// walk is how Prune iterates over the tables. It determines the arguments of the statements below.
	walk walk
	// pruneUpTo and pruneSubjectsUpTo select the end of the next range, for walks in ranges.
	pruneUpTo, pruneSubjectsUpTo string
	// pruneSessions deletes some expired sessions, and pruneSubjects some expired cut-offs.
	pruneSessions, pruneSubjects string

	// clock selects the server's time in microseconds since 1970. It is "" if the database has no clock of its own.
	clock string

	createVersion string
	// lock returns a row with 1 if it has taken the lock. It is "" if begin takes the lock.
	lock string
	// Migrations run between begin and commit, or undo, on one connection.
	begin, commit, undo string
}

const (
	upsertOnConflict = `ON CONFLICT (subject) DO UPDATE SET
	cutoff = CASE WHEN excluded.cutoff > {subjects}.cutoff THEN excluded.cutoff ELSE {subjects}.cutoff END,
	forget_at = CASE WHEN excluded.forget_at > {subjects}.forget_at THEN excluded.forget_at ELSE {subjects}.forget_at END`
	// The second condition protects a cut-off that was renewed after the SELECT.
	pruneSubjectsBySelect = `DELETE FROM {subjects} WHERE forget_at <= ? AND subject IN
	(SELECT subject FROM {subjects} WHERE forget_at <= ? ORDER BY forget_at LIMIT ?)`
)

func (d Dialect) grammar() (grammar, bool) {
	switch d {
	case SQLite:
		return sqliteGrammar(), true
	case PostgreSQL:
		return postgresGrammar(), true
	case MySQL:
		return mysqlGrammar(), true
	}
	return grammar{}, false
}

func sqliteGrammar() grammar {
	return grammar{
		addSession:    `ON CONFLICT (id) DO NOTHING`,
		upsertSubject: upsertOnConflict,
		deleteOf:      `DELETE FROM {sessions}`,
		walk:          walkFromStart,
		pruneSessions: `DELETE FROM {sessions} WHERE id IN (SELECT id FROM {sessions} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
		pruneSubjects: pruneSubjectsBySelect,
		createVersion: `CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL)`,
		begin:         `BEGIN IMMEDIATE`,
		commit:        `COMMIT`,
		undo:          `ROLLBACK`,
	}
}

func postgresGrammar() grammar {
	return grammar{
		numbered:      true,
		addSession:    `ON CONFLICT (id) DO NOTHING`,
		upsertSubject: upsertOnConflict,
		deleteOf:      `DELETE FROM {sessions}`,
		walk:          walkByID, // there is no index on expires_at
		pruneUpTo:     `SELECT MAX(id) FROM (SELECT id FROM {sessions} WHERE id > ? ORDER BY id LIMIT ?) AS next`,
		pruneSessions: `DELETE FROM {sessions} WHERE id > ? AND id <= ? AND expires_at <= ?`,
		pruneSubjects: pruneSubjectsBySelect,
		clock:         `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)`,
		createVersion: `CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL)`,
		begin:         `BEGIN`,
		lock:          `SELECT 1 FROM pg_advisory_xact_lock(hashtext('{schema}'))`,
		commit:        `COMMIT`,
		undo:          `ROLLBACK`,
	}
}

func mysqlGrammar() grammar {
	return grammar{
		addSession: `ON DUPLICATE KEY UPDATE id = {sessions}.id`,
		upsertSubject: `ON DUPLICATE KEY UPDATE
			cutoff = GREATEST({subjects}.cutoff, VALUES(cutoff)),
			forget_at = GREATEST({subjects}.forget_at, VALUES(forget_at))`,
		// A DELETE locks the rows that it reads. With the index on expires_at, or without an index, which the optimizer
		// prefers for small tables, these include other subjects' sessions, and logins of different users would
		// deadlock.
		deleteOf: `DELETE {sessions} FROM {sessions} FORCE INDEX ({sessions}_subject)`,
		// Deleted rows stay in an index until InnoDB purges them, which may take long. So each batch begins where the
		// previous one ended.
		walk:              walkByTime,
		pruneUpTo:         `SELECT MAX(expires_at) FROM (SELECT expires_at FROM {sessions} WHERE expires_at > ? AND expires_at <= ? ORDER BY expires_at LIMIT ?) AS next`,
		pruneSessions:     `DELETE {sessions} FROM {sessions} FORCE INDEX ({sessions}_expires_at) WHERE expires_at > ? AND expires_at <= ?`,
		pruneSubjectsUpTo: `SELECT MAX(forget_at) FROM (SELECT forget_at FROM {subjects} WHERE forget_at > ? AND forget_at <= ? ORDER BY forget_at LIMIT ?) AS next`,
		pruneSubjects:     `DELETE {subjects} FROM {subjects} FORCE INDEX ({subjects}_forget_at) WHERE forget_at > ? AND forget_at <= ?`,
		clock:             `SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)`,
		// A server may require primary keys (innodb_force_primary_key, sql_require_primary_key).
		createVersion: `CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL PRIMARY KEY)`,
		// A transaction can't undo a CREATE TABLE in this dialect. An incomplete migration can be run again.
		lock:   `SELECT COALESCE(GET_LOCK('{schema}', 60), 0)`,
		commit: `SELECT RELEASE_LOCK('{schema}')`,
		undo:   `SELECT RELEASE_LOCK('{schema}')`,
	}
}

// tableNames replaces placeholders such as {sessions} by the names of the tables.
func tableNames(prefix string) *strings.Replacer {
	return strings.NewReplacer(
		"{sessions}", prefix+"sessions",
		"{subjects}", prefix+"subjects",
		"{schema}", prefix+"schema",
	)
}

// placeholders replaces each ? by the dialect's own placeholder.
func (g grammar) placeholders(query string) string {
	if !g.numbered {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(query, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
