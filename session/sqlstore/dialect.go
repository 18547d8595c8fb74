package sqlstore

import (
	"strconv"
	"strings"
)

// Dialect is a database's way of SQL.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite" // 3.24 or later
	PostgreSQL Dialect = "postgresql"
	MySQL      Dialect = "mysql" // and MariaDB
)

// grammar is where dialects differ. Everything else is the SQL that all of them have.
type grammar struct {
	numbered bool // placeholders are $1, $2, … instead of ?

	// addSession ends an INSERT that changes nothing if the session is there already.
	addSession string
	// touchSubject ends an INSERT of a subject's row; if there is one, its times become the later ones.
	touchSubject string

	// Migrations run between lock and unlock, or undo, on one connection.
	lock, unlock, undo []string
}

const touchOnConflict = `ON CONFLICT (subject) DO UPDATE SET
	cutoff = CASE WHEN excluded.cutoff > {subjects}.cutoff THEN excluded.cutoff ELSE {subjects}.cutoff END,
	forget_at = CASE WHEN excluded.forget_at > {subjects}.forget_at THEN excluded.forget_at ELSE {subjects}.forget_at END`

func (d Dialect) grammar() (grammar, bool) {
	switch d {
	case SQLite:
		return grammar{
			addSession:   `ON CONFLICT (id) DO NOTHING`,
			touchSubject: touchOnConflict,
			lock:         []string{`BEGIN IMMEDIATE`},
			unlock:       []string{`COMMIT`},
			undo:         []string{`ROLLBACK`},
		}, true
	case PostgreSQL:
		return grammar{
			numbered:     true,
			addSession:   `ON CONFLICT (id) DO NOTHING`,
			touchSubject: touchOnConflict,
			lock:         []string{`BEGIN`, `SELECT pg_advisory_xact_lock(hashtext('{schema}'))`},
			unlock:       []string{`COMMIT`},
			undo:         []string{`ROLLBACK`},
		}, true
	case MySQL:
		return grammar{
			addSession: `ON DUPLICATE KEY UPDATE id = {sessions}.id`,
			touchSubject: `ON DUPLICATE KEY UPDATE
				cutoff = GREATEST({subjects}.cutoff, VALUES(cutoff)),
				forget_at = GREATEST({subjects}.forget_at, VALUES(forget_at))`,
			// Tables can't be created in a transaction here, but what is left half done can be done again.
			lock:   []string{`SELECT GET_LOCK('{schema}', 60)`},
			unlock: []string{`SELECT RELEASE_LOCK('{schema}')`},
			undo:   []string{`SELECT RELEASE_LOCK('{schema}')`},
		}, true
	}
	return grammar{}, false
}

// naming fills in the tables' names.
func naming(prefix string) *strings.Replacer {
	return strings.NewReplacer(
		"{sessions}", prefix+"sessions",
		"{subjects}", prefix+"subjects",
		"{schema}", prefix+"schema",
	)
}

// placeholders turns each ? into the dialect's own.
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
