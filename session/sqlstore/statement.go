package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// statement is prepared when it is first used, and from then on costs one round trip on every connection that
// has seen it before. (database/sql prepares it anew on the others.)
type statement struct {
	db       *sql.DB
	turn     turn
	query    string
	prepared atomic.Pointer[sql.Stmt]
}

func newStatement(db *sql.DB, t turn, query string) *statement {
	return &statement{db: db, turn: t, query: query}
}

// get prepares outside of any lock: a database that hangs must not queue up callers beyond their contexts.
func (s *statement) get(ctx context.Context) (*sql.Stmt, error) {
	if prepared := s.prepared.Load(); prepared != nil {
		return prepared, nil
	}
	prepared, err := s.db.PrepareContext(ctx, s.query)
	if err != nil {
		return nil, err
	}
	if !s.prepared.CompareAndSwap(nil, prepared) {
		_ = prepared.Close() // somebody was faster
		return s.get(ctx)
	}
	return prepared, nil
}

// in returns the statement for use in a transaction, or outside of one if tx is nil.
func (s *statement) in(ctx context.Context, tx *sql.Tx) (*sql.Stmt, error) {
	prepared, err := s.get(ctx)
	if err != nil || tx == nil {
		return prepared, err
	}
	return tx.StmtContext(ctx, prepared), nil
}

// exec returns how many rows the statement has changed. Outside of a transaction it is run again if the database
// has rolled it back.
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

// row scans the one row that the statement returns into dest, or returns sql.ErrNoRows.
func (s *statement) row(ctx context.Context, tx *sql.Tx, args []any, dest ...any) error {
	prepared, err := s.in(ctx, tx)
	if err != nil {
		return err
	}
	return prepared.QueryRowContext(ctx, args...).Scan(dest...)
}

// rows calls scan for every row that the statement returns.
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
