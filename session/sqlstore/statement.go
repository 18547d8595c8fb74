package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// statement is an SQL statement that is prepared at its first use. After that it takes one round trip on each
// connection that has prepared it. database/sql prepares it on the others when needed.
type statement struct {
	db         *sql.DB
	writeLock  writeLock
	query      string
	unprepared bool          // never prepare it: see Options.NoPrepare
	preparing  chan struct{} // holds a value while one caller prepares it
	prepared   atomic.Pointer[sql.Stmt]
}

func newStatement(db *sql.DB, lock writeLock, query string, unprepared bool) *statement {
	return &statement{db: db, writeLock: lock, query: query, unprepared: unprepared, preparing: make(chan struct{}, 1)}
}

// get returns the prepared statement, or nil if it is never prepared. One caller prepares it, and the others wait until
// it is prepared or their context ends. If all callers prepared it, all but one would have to close theirs, and each
// Close waits for the server while database/sql locks the whole pool.
func (s *statement) get(ctx context.Context) (*sql.Stmt, error) {
	if prepared := s.prepared.Load(); prepared != nil || s.unprepared {
		return prepared, nil
	}
	select {
	case s.preparing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.preparing }()
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

// unpreparedRunner runs a statement that is not prepared.
type unpreparedRunner struct {
	conn interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	query string
}

func (p unpreparedRunner) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return p.conn.ExecContext(ctx, p.query, args...)
}

func (p unpreparedRunner) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return p.conn.QueryContext(ctx, p.query, args...)
}

func (p unpreparedRunner) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return p.conn.QueryRowContext(ctx, p.query, args...)
}

// runner returns the statement for use in tx or, if tx is nil, outside a transaction.
func (s *statement) runner(ctx context.Context, tx *sql.Tx) (runner, error) {
	prepared, err := s.get(ctx)
	switch {
	case err != nil:
		return nil, err
	case prepared == nil && tx == nil:
		return unpreparedRunner{s.db, s.query}, nil
	case prepared == nil:
		return unpreparedRunner{tx, s.query}, nil
	case tx == nil:
		return prepared, nil
	default:
		return tx.StmtContext(ctx, prepared), nil
	}
}

// exec runs the statement and returns the number of changed rows. Outside a transaction, it retries if the database
// rolls the statement back.
func (s *statement) exec(ctx context.Context, tx *sql.Tx, args ...any) (changed int64, err error) {
	runner, err := s.runner(ctx, tx)
	if err != nil {
		return 0, err
	}
	run := func() error {
		result, err := runner.ExecContext(ctx, args...)
		if err == nil {
			changed, err = result.RowsAffected()
		}
		return err
	}
	if tx != nil {
		err = run()
		return changed, err
	}
	if err := s.writeLock.lock(ctx); err != nil {
		return 0, err
	}
	defer s.writeLock.unlock()
	err = retry(ctx, run)
	return changed, err
}

// row scans the only row of the result into dest. If there is none, it returns sql.ErrNoRows.
func (s *statement) row(ctx context.Context, tx *sql.Tx, args []any, dest ...any) error {
	runner, err := s.runner(ctx, tx)
	if err != nil {
		return err
	}
	return runner.QueryRowContext(ctx, args...).Scan(dest...)
}

// rows calls scan for each row of the result.
func (s *statement) rows(ctx context.Context, tx *sql.Tx, args []any, scan func(*sql.Rows) error) (err error) {
	runner, err := s.runner(ctx, tx)
	if err != nil {
		return err
	}
	rows, err := runner.QueryContext(ctx, args...)
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
