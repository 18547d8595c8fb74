package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// statement is an SQL statement that is prepared at its first use. After that it takes one round trip on each
// connection that has prepared it. database/sql prepares it on the others when needed.
type statement struct {
	db       *sql.DB
	turn     turn
	query    string
	plain    bool          // never prepare it: see Options.NoPrepare
	prepare  chan struct{} // holds a value while one caller prepares it
	prepared atomic.Pointer[sql.Stmt]
}

func newStatement(db *sql.DB, t turn, query string, plain bool) *statement {
	return &statement{db: db, turn: t, query: query, plain: plain, prepare: make(chan struct{}, 1)}
}

// get returns the prepared statement, or nil if it is never prepared. One caller prepares it, and the others wait until
// it is prepared or their context ends. If all callers prepared it, all but one would have to close theirs, and each
// Close waits for the server while database/sql locks the whole pool.
func (s *statement) get(ctx context.Context) (*sql.Stmt, error) {
	if prepared := s.prepared.Load(); prepared != nil || s.plain {
		return prepared, nil
	}
	select {
	case s.prepare <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.prepare }()
	if prepared := s.prepared.Load(); prepared != nil {
		return prepared, nil
	}
	prepared, err := s.db.PrepareContext(ctx, s.query)
	if err != nil {
		return nil, err
	}
	s.prepared.Store(prepared)
	return prepared, nil
}

// runner runs a statement with arguments. The statement may or may not be prepared, and in a transaction or not.
type runner interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

// plainRunner runs a statement that is not prepared.
type plainRunner struct {
	over interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	query string
}

func (p plainRunner) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return p.over.ExecContext(ctx, p.query, args...)
}

func (p plainRunner) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return p.over.QueryContext(ctx, p.query, args...)
}

func (p plainRunner) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return p.over.QueryRowContext(ctx, p.query, args...)
}

// in returns the statement for use in tx or, if tx is nil, outside a transaction.
func (s *statement) in(ctx context.Context, tx *sql.Tx) (runner, error) {
	prepared, err := s.get(ctx)
	switch {
	case err != nil:
		return nil, err
	case prepared == nil && tx == nil:
		return plainRunner{s.db, s.query}, nil
	case prepared == nil:
		return plainRunner{tx, s.query}, nil
	case tx == nil:
		return prepared, nil
	default:
		return tx.StmtContext(ctx, prepared), nil
	}
}

// exec runs the statement and returns the number of changed rows. Outside a transaction, it retries if the database
// rolls the statement back.
func (s *statement) exec(ctx context.Context, tx *sql.Tx, args ...any) (changed int64, err error) {
	prepared, err := s.in(ctx, tx)
	if err != nil {
		return 0, err
	}
	run := func() error {
		result, err := prepared.ExecContext(ctx, args...)
		if err == nil {
			changed, err = result.RowsAffected()
		}
		return err
	}
	if tx != nil {
		err = run()
		return changed, err
	}
	if err := s.turn.take(ctx); err != nil {
		return 0, err
	}
	defer s.turn.give()
	err = retrying(ctx, run)
	return changed, err
}

// row scans the only row of the result into dest. If there is none, it returns sql.ErrNoRows.
func (s *statement) row(ctx context.Context, tx *sql.Tx, args []any, dest ...any) error {
	prepared, err := s.in(ctx, tx)
	if err != nil {
		return err
	}
	return prepared.QueryRowContext(ctx, args...).Scan(dest...)
}

// rows calls scan for each row of the result.
func (s *statement) rows(ctx context.Context, tx *sql.Tx, args []any, scan func(*sql.Rows) error) (err error) {
	prepared, err := s.in(ctx, tx)
	if err != nil {
		return err
	}
	rows, err := prepared.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := rows.Close(); err == nil {
			err = closeErr
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *statement) close() error {
	if prepared := s.prepared.Swap(nil); prepared != nil {
		return prepared.Close()
	}
	return nil
}
