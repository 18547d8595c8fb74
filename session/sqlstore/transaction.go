package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// inTransaction runs do between BEGIN and COMMIT, and runs it again if the database rolls it back. It prepares the
// statements before BEGIN, because a transaction that waits for a second connection may cause a deadlock.
func (s *Store) inTransaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	for _, st := range s.transactionStatements() {
		if _, err := st.get(ctx); err != nil {
			return err
		}
	}
	if err := s.writeLock.lock(ctx); err != nil {
		return err
	}
	defer s.writeLock.unlock()
	return retry(ctx, func() error {
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: s.isolation})
		if err != nil {
			return err
		}
		if err := do(tx); err != nil {
			return errors.Join(err, ignoreTxDone(tx.Rollback()))
		}
		return tx.Commit()
	})
}

// ignoreTxDone ignores the error of a Rollback that comes too late: database/sql rolls back when the context ends.
func ignoreTxDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
