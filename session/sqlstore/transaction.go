package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// inTransaction runs do between BEGIN and COMMIT, and runs it again if the database rolls it back. It prepares the
// statements before BEGIN, because a transaction that waits for a second connection may cause a deadlock.
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
			return errors.Join(err, ignoreDone(tx.Rollback()))
		}
		return tx.Commit()
	})
}

// ignoreDone ignores the error of a Rollback after the end of the context has already rolled back.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
