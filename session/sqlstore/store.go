package sqlstore

import (
	"database/sql"
	"errors"
	"math"
	"regexp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/internal/bounded"
)

// Options are the options of a Store. Nil means the defaults.
type Options struct {
	// TablePrefix is the prefix of table names. It has at most 30 lower-case letters, digits and underscores, and does
	// not begin with a digit. The default is "usher_".
	TablePrefix string

	// NoPrepare sends each statement together with its arguments instead of preparing it once per connection. Set it if
	// the service uses a pooler in transaction mode that does not support prepared statements, such as PgBouncer before
	// 1.21. The driver must then send statement and arguments in one message; with pgx, set
	// default_query_exec_mode=exec. By default, statements are prepared.
	NoPrepare bool
}

// Store is a session.Store in a database. It is safe for concurrent use, by any number of processes.
//
// Every method returns soon after its context ends, even if the driver ignores contexts. The statement may then still
// be applied; see session.Store.
type Store struct {
	db        *sql.DB
	dialect   Dialect
	grammar   grammar
	prefix    string
	isolation sql.IsolationLevel
	writeLock writeLock
	calls     bounded.Calls

	rotate, selectState, endUnchanged *statement
	lookup, list, end                 *statement

	// The statements of transactions.
	upsertSubject, selectCutoff, insertSession, deleteExpired, liveIDs, deleteID, endOthers *statement

	pruneSessions, pruneSubjects *statement
	pruneUpTo, pruneSubjectsUpTo *statement // nil if the dialect needs none
}

var _ session.Store = (*Store)(nil)

// New returns a Store that uses db. The caller closes db. If arguments are invalid, New returns a usher.ConfigError for
// each mistake, joined. It does not connect to the database. Create the tables with Migrate, or with the SQL that
// Schema returns.
func New(db *sql.DB, dialect Dialect, opts *Options) (*Store, error) {
	g, o, err := configure(dialect, opts)
	if db == nil {
		err = errors.Join(&usher.ConfigError{Field: "db", Reason: "is required"}, err)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, dialect: dialect, grammar: g, prefix: o.TablePrefix}
	if dialect == SQLite {
		s.writeLock = make(writeLock, 1)
	} else {
		// The explicit locks are sufficient. At a stricter level, operations would fail where they now wait. SQLite has
		// only one level.
		s.isolation = sql.LevelReadCommitted
	}
	s.defineStatements(o.NoPrepare)
	return s, nil
}

// Close closes the prepared statements and returns their errors, joined. The database stays open. Call Close when no
// other method is running, because database/sql locks the whole pool while it closes a statement.
func (s *Store) Close() error {
	var errs []error
	all := append(s.transactionStatements(), s.rotate, s.selectState, s.endUnchanged, s.lookup, s.list, s.end, s.pruneSessions, s.pruneSubjects)
	for _, st := range append(all, s.pruneUpTo, s.pruneSubjectsUpTo) {
		if st != nil {
			errs = append(errs, st.close())
		}
	}
	return errors.Join(errs...)
}

var prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

func configure(dialect Dialect, opts *Options) (grammar, Options, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.TablePrefix == "" {
		o.TablePrefix = "usher_"
	}
	var mistakes []error
	g, ok := dialect.grammar()
	if !ok {
		mistakes = append(mistakes, &usher.ConfigError{Field: "dialect", Reason: "must be SQLite, PostgreSQL or MySQL"})
	}
	if !prefixes.MatchString(o.TablePrefix) {
		mistakes = append(mistakes, &usher.ConfigError{
			Field:  "Options.TablePrefix",
			Reason: "must be at most 30 lower-case letters, digits and underscores, and must not begin with a digit",
		})
	}
	return g, o, errors.Join(mistakes...)
}

const (
	stateColumns   = `generation, token, previous, nonce, rotated_at, expires_at`
	sessionColumns = `id, subject, user_agent, address, label, auth_time, started_at, rotated_at, expires_at`
	noCutoff       = math.MinInt64
)

// defineStatements sets the statements of all operations. They are prepared at their first use.
func (s *Store) defineStatements(unprepared bool) {
	names := tableNames(s.prefix)
	statement := func(query string) *statement {
		return newStatement(s.db, s.writeLock, s.grammar.placeholders(names.Replace(query)), unprepared)
	}
	s.rotate = statement(`UPDATE {sessions} SET generation = ?, token = ?, previous = ?, nonce = ?, rotated_at = ?,
		expires_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END
		WHERE id = ? AND subject = ? AND generation = ? AND token = ? AND expires_at > ?`)
	s.selectState = statement(`SELECT ` + stateColumns + ` FROM {sessions} WHERE id = ? AND subject = ?`)
	s.endUnchanged = statement(`DELETE FROM {sessions} WHERE id = ? AND subject = ? AND generation = ?`)

	s.lookup = statement(`SELECT ` + sessionColumns + ` FROM {sessions} WHERE id = ? AND subject = ? AND expires_at > ?`)
	s.list = statement(`SELECT ` + sessionColumns + ` FROM {sessions} WHERE subject = ? AND expires_at > ? ORDER BY started_at, id`)
	s.end = statement(`DELETE FROM {sessions} WHERE id = ? AND subject = ? AND expires_at > ?`)

	s.upsertSubject = statement(`INSERT INTO {subjects} (subject, cutoff, forget_at) VALUES (?, ?, ?) ` + s.grammar.upsertSubject)
	s.selectCutoff = statement(`SELECT cutoff FROM {subjects} WHERE subject = ?`)
	s.insertSession = statement(`INSERT INTO {sessions} (id, subject, generation, token, previous, nonce, user_agent, address, label,
		auth_time, started_at, rotated_at, expires_at, ends_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ` + s.grammar.addSession)
	s.deleteExpired = statement(s.grammar.deleteOf + ` WHERE subject = ? AND expires_at <= ?`)
	s.liveIDs = statement(`SELECT id FROM {sessions} WHERE subject = ? AND id <> ? AND expires_at > ? ORDER BY started_at, id`)
	s.deleteID = statement(`DELETE FROM {sessions} WHERE id = ?`)
	s.endOthers = statement(s.grammar.deleteOf + ` WHERE subject = ? AND id <> ?`)

	if s.grammar.pruneUpTo != "" {
		s.pruneUpTo = statement(s.grammar.pruneUpTo)
	}
	if s.grammar.pruneSubjectsUpTo != "" {
		s.pruneSubjectsUpTo = statement(s.grammar.pruneSubjectsUpTo)
	}
	s.pruneSessions = statement(s.grammar.pruneSessions)
	s.pruneSubjects = statement(s.grammar.pruneSubjects)
}

func (s *Store) transactionStatements() []*statement {
	return []*statement{s.upsertSubject, s.selectCutoff, s.insertSession, s.deleteExpired, s.liveIDs, s.deleteID, s.endOthers}
}
