package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/internal/bounded"
	"github.com/go-usher/usher/session/internal/clock"
)

// Verify runs the same checks as Migrate, without migrating. It also returns an error if this process's clock differs
// from the server's by more than two seconds. Manager.PruneEvery calls Verify at each interval and reports its errors.
func (s *Store) Verify(ctx context.Context) error {
	_, err := bounded.Do(ctx, &s.calls, func(ctx context.Context) (struct{}, error) {
		if err := s.verifyServer(ctx); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.verifyClock(ctx)
	})
	return err
}

func (s *Store) verifyClock(ctx context.Context) error {
	if s.grammar.clock == "" {
		return nil
	}
	return clock.Check(func() (time.Time, error) {
		var us int64
		err := s.db.QueryRowContext(ctx, s.grammar.clock).Scan(&us)
		return fromMicro(us), err
	})
}

func (s *Store) verifyServer(ctx context.Context) error {
	if s.dialect == MySQL {
		if err := s.verifyAutocommit(ctx); err != nil {
			return err
		}
	}
	if s.dialect == PostgreSQL {
		if err := s.verifyPooler(ctx); err != nil {
			return err
		}
	}
	err := s.dryRun(ctx)
	switch {
	case err == nil || errors.Is(err, errDryRun):
		return nil
	case s.dialect == MySQL && strings.Contains(err.Error(), "BINLOG_FORMAT"):
		return fmt.Errorf("sqlstore: the server's binlog_format=STATEMENT can't record READ COMMITTED transactions: set it to ROW or MIXED: %w", err)
	default:
		return fmt.Errorf("sqlstore: this role can't run all statements of the store on this server: %w", err)
	}
}

// verifyAutocommit returns an error for a setting with which single statements are never committed.
func (s *Store) verifyAutocommit(ctx context.Context) error {
	var on int
	if err := s.db.QueryRowContext(ctx, "SELECT @@autocommit").Scan(&on); err != nil {
		return fmt.Errorf("sqlstore: reading @@autocommit: %w", err)
	}
	if on != 1 {
		return errors.New("sqlstore: autocommit is 0, so single statements, such as a logout, are never committed: " +
			"take autocommit=0 out of the DSN, or set autocommit=1 there or in the server's configuration")
	}
	return nil
}

// errDryRun makes inTransaction roll back a dry run.
var errDryRun = errors.New("dry run")

// dryRun runs the statements of the store in a transaction, for a subject that does not exist. It returns errDryRun if
// all succeed.
func (s *Store) dryRun(ctx context.Context) error {
	for _, st := range []*statement{s.rotate, s.end} {
		if _, err := st.get(ctx); err != nil {
			return err
		}
	}
	now := time.Now().UnixMicro()
	id, subject := rand.Text()[:22], "usher verifies "+rand.Text()
	var hash session.Hash
	var nonce session.Nonce
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := s.upsertSubject.exec(ctx, tx, subject, int64(noCutoff), int64(noCutoff)); err != nil {
			return err
		}
		if err := s.selectCutoff.row(ctx, tx, []any{subject}, new(int64)); err != nil {
			return err
		}
		for _, step := range []struct {
			*statement
			args []any
		}{
			{s.insertSession, []any{id, subject, hash[:], hash[:], nonce[:], "", "", "", now, now, now, now + 1, now + 1}},
			{s.deleteExpired, []any{subject, now}},
			{s.rotate, []any{2, hash[:], hash[:], nonce[:], now, now + 1, now + 1, id, subject, 1, hash[:], now}},
			{s.end, []any{id, subject, now}},
		} {
			if n, err := step.exec(ctx, tx, step.args...); err != nil {
				return err
			} else if step.statement != s.deleteExpired && n != 1 {
				return fmt.Errorf("%q changed %d rows instead of 1", step.query, n)
			}
		}
		return errDryRun
	})
}
