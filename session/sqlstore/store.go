package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"regexp"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

// Options are the options of a Store; nil means the defaults.
type Options struct {
	// TablePrefix begins the names of the tables: lower-case letters, digits and underscores, at most 30,
	// not a digit first. Default: "usher_".
	TablePrefix string
}

// Store is a session.Store in a database. It is safe for concurrent use, by any number of processes.
type Store struct {
	db        *sql.DB
	dialect   Dialect
	grammar   grammar
	prefix    string
	isolation sql.IsolationLevel
	turn      turn

	rotate, state, endUnchanged                              *statement
	lookup, list, end                                        *statement
	touch, cutoff, add, expire, liveIDs, deleteID, endOthers *statement // in transactions
	pruneSessions, pruneSubjects                             *statement
}

var _ session.Store = (*Store)(nil)

// New returns a Store over db, or all mistakes in the arguments as usher.ConfigError. It doesn't talk to the
// database: the tables are created by Migrate, or by hand from Schema.
func New(db *sql.DB, dialect Dialect, opts *Options) (*Store, error) {
	g, prefix, err := configure(dialect, opts)
	if db == nil {
		err = errors.Join(&usher.ConfigError{Field: "db", Reason: "is required"}, err)
	}
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, dialect: dialect, grammar: g, prefix: prefix}
	if dialect == SQLite {
		s.turn = make(turn, 1)
	} else {
		// The locks that steps take are enough, and anything stricter would make steps fail that only
		// have to wait. SQLite knows one level.
		s.isolation = sql.LevelReadCommitted
	}
	s.prepareSteps()
	return s, nil
}

// Close closes the prepared statements. The database stays open.
func (s *Store) Close() error {
	var errs []error
	all := append(s.inTransactions(), s.rotate, s.state, s.endUnchanged, s.lookup, s.list, s.end, s.pruneSessions, s.pruneSubjects)
	for _, st := range all {
		errs = append(errs, st.close())
	}
	return errors.Join(errs...)
}

var prefixes = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

func configure(dialect Dialect, opts *Options) (grammar, string, error) {
	prefix := "usher_"
	if opts != nil && opts.TablePrefix != "" {
		prefix = opts.TablePrefix
	}
	var mistakes []error
	g, ok := dialect.grammar()
	if !ok {
		mistakes = append(mistakes, &usher.ConfigError{Field: "dialect", Reason: "must be SQLite, PostgreSQL or MySQL"})
	}
	if !prefixes.MatchString(prefix) {
		mistakes = append(mistakes, &usher.ConfigError{
			Field:  "Options.TablePrefix",
			Reason: "must be at most 30 lower-case letters, digits and underscores, not a digit first",
		})
	}
	return g, prefix, errors.Join(mistakes...)
}

const (
	stateColumns   = `generation, token, previous, nonce, rotated_at, expires_at`
	sessionColumns = `id, subject, user_agent, address, label, auth_time, started_at, rotated_at, expires_at`
	noCutoff       = math.MinInt64
)

// prepareSteps names the statements of all steps; they reach the database when they are first used.
func (s *Store) prepareSteps() {
	names := naming(s.prefix)
	statement := func(query string) *statement {
		return newStatement(s.db, s.turn, s.grammar.placeholders(names.Replace(query)))
	}
	s.rotate = statement(`UPDATE {sessions} SET generation = ?, token = ?, previous = ?, nonce = ?, rotated_at = ?,
		expires_at = CASE WHEN ends_at < ? THEN ends_at ELSE ? END
		WHERE id = ? AND subject = ? AND generation = ? AND token = ? AND expires_at > ?`)
	s.state = statement(`SELECT ` + stateColumns + ` FROM {sessions} WHERE id = ? AND subject = ?`)
	s.endUnchanged = statement(`DELETE FROM {sessions} WHERE id = ? AND subject = ? AND generation = ?`)

	s.lookup = statement(`SELECT ` + sessionColumns + ` FROM {sessions} WHERE id = ? AND subject = ? AND expires_at > ?`)
	s.list = statement(`SELECT ` + sessionColumns + ` FROM {sessions} WHERE subject = ? AND expires_at > ? ORDER BY started_at, id`)
	s.end = statement(`DELETE FROM {sessions} WHERE id = ? AND subject = ? AND expires_at > ?`)

	s.touch = statement(`INSERT INTO {subjects} (subject, cutoff, forget_at) VALUES (?, ?, ?) ` + s.grammar.touchSubject)
	s.cutoff = statement(`SELECT cutoff FROM {subjects} WHERE subject = ?`)
	s.add = statement(`INSERT INTO {sessions} (id, subject, generation, token, previous, nonce, user_agent, address, label,
		auth_time, started_at, rotated_at, expires_at, ends_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ` + s.grammar.addSession)
	s.expire = statement(`DELETE FROM {sessions} WHERE subject = ? AND expires_at <= ?`)
	s.liveIDs = statement(`SELECT id FROM {sessions} WHERE subject = ? AND id <> ? AND expires_at > ? ORDER BY started_at, id`)
	s.deleteID = statement(`DELETE FROM {sessions} WHERE id = ?`)
	s.endOthers = statement(`DELETE FROM {sessions} WHERE subject = ? AND id <> ?`)

	s.pruneSessions = statement(`DELETE FROM {sessions} WHERE expires_at <= ?`)
	s.pruneSubjects = statement(`DELETE FROM {subjects} WHERE forget_at <= ?`)
}

func (s *Store) inTransactions() []*statement {
	return []*statement{s.touch, s.cutoff, s.add, s.expire, s.liveIDs, s.deleteID, s.endOthers}
}

// inTransaction runs do between BEGIN and COMMIT, again if the database has rolled it back. What do needs is
// prepared before: a transaction that waits for a second connection may wait for itself.
func (s *Store) inTransaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	for _, st := range s.inTransactions() {
		if _, err := st.get(ctx); err != nil {
			return err
		}
	}
	if err := s.turn.take(ctx); err != nil {
		return err
	}
	defer s.turn.give()
	return retrying(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: s.isolation})
		if err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
}
