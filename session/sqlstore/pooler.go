package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"time"
)

const (
	// poolerWait is how long verifyPooler waits for a further connection.
	poolerWait = time.Second
	// poolerConns is how many further connections verifyPooler opens at most.
	poolerConns = 4
)

// A pooler in transaction mode, PgBouncer say, gives a connection another server for each transaction. Unless it knows
// prepared statements (PgBouncer does from 1.21 on, with max_prepared_statements above zero), a statement that was
// prepared on one server is then missing on the next, or is another client's statement of the same name: lib/pq
// numbers its statements, and a logout may run somebody's SELECT, and succeed.

// verifyPooler returns an error if such a pooler is in between and the store's way to send statements can't be right.
//
// It prepares a statement on one connection. Then it takes up that connection's server with a transaction on another,
// so that the pooler has to choose another server for the first. Without a pooler the server stays the same.
func (s *Store) verifyPooler(ctx context.Context) error {
	if s.db.Stats().MaxOpenConnections == 1 {
		return nil // there is no second connection to do it with
	}
	first, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer func() { _ = first.Close() }() // it only goes back to the pool
	pooled, probeErr := s.probe(ctx, first)
	if probeErr != nil && (pooled || isPreparedStatementError(probeErr)) {
		_ = first.Raw(func(any) error { return driver.ErrBadConn }) // what this connection has prepared is of no use
		return fmt.Errorf("sqlstore: a pooler in transaction mode mixes up prepared statements: "+
			"use PgBouncer 1.21 or later with max_prepared_statements above zero, or its session mode, "+
			"or Options.NoPrepare with pgx and default_query_exec_mode=exec: %w", probeErr)
	}
	if probeErr != nil {
		return fmt.Errorf("sqlstore: %w", probeErr)
	}
	if pooled && s.rotate.plain && isPQ(s.db) {
		return errors.New("sqlstore: lib/pq sends statement and arguments apart, and a pooler in transaction mode may give them to different servers: use pgx")
	}
	return nil
}

var errMixedUp = errors.New("sqlstore: prepared statements are mixed up")

// isPQ reports whether the driver is lib/pq.
func isPQ(db *sql.DB) bool {
	t := reflect.TypeOf(db.Driver())
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && t.PkgPath() == "github.com/lib/pq"
}

// probe reports whether a connection's server changes, and whether what was prepared before still works afterwards.
func (s *Store) probe(ctx context.Context, first *sql.Conn) (pooled bool, err error) {
	number, err := rand.Int(rand.Reader, big.NewInt(1<<31))
	if err != nil {
		return false, err
	}
	// Nobody else has a statement that gives this answer.
	query := fmt.Sprintf("SELECT pg_backend_pid(), CAST($1 AS bigint) + %d", number)
	ask := func(ctx context.Context, n int64) (pid int, err error) {
		var sum int64
		err = first.QueryRowContext(ctx, query, n).Scan(&pid, &sum)
		if err == nil && sum != n+number.Int64() {
			err = errMixedUp
		}
		return pid, err
	}
	if !s.rotate.plain {
		prepared, err := first.PrepareContext(ctx, query)
		if err != nil {
			return false, err
		}
		defer func() { _ = prepared.Close() }() // the connection is not used again if that fails
		ask = func(ctx context.Context, n int64) (pid int, err error) {
			var sum int64
			err = prepared.QueryRowContext(ctx, n).Scan(&pid, &sum)
			if err == nil && sum != n+number.Int64() {
				err = errMixedUp
			}
			return pid, err
		}
	}
	before, err := ask(ctx, 1)
	if err != nil {
		return false, err
	}
	var held []func()
	defer func() {
		for _, release := range held {
			release()
		}
	}()
	for n := range s.furtherConns() {
		other, release, err := s.hold(ctx)
		if isPreparedStatementError(err) { // the driver's own
			return true, err
		}
		if err != nil {
			return pooled, ctx.Err() // no further connection is to be had
		}
		held = append(held, release)
		after, err := ask(ctx, int64(n+2))
		if err != nil || other == before || after != before {
			return true, err
		}
	}
	return pooled, nil
}

// furtherConns returns how many connections a probe may take besides the first.
func (s *Store) furtherConns() int {
	if most := s.db.Stats().MaxOpenConnections; most > 0 {
		return min(most-1, poolerConns)
	}
	return poolerConns
}

// hold begins a transaction, and returns the process id of its server.
func (s *Store) hold(ctx context.Context) (pid int, release func(), err error) {
	limited, cancel := context.WithTimeout(ctx, poolerWait)
	tx, err := s.db.BeginTx(limited, nil)
	if err != nil {
		cancel()
		return 0, nil, err
	}
	release = func() { _ = tx.Rollback(); cancel() } // nothing was done
	if err := tx.QueryRowContext(limited, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		release()
		return 0, nil, err
	}
	return pid, release, nil
}

// isPreparedStatementError recognizes a prepared statement that is missing (26000), or there already (42P05), and a
// message that doesn't fit the one that is there (08P01).
func isPreparedStatementError(err error) bool {
	state, _ := sqlState(err)
	return errors.Is(err, errMixedUp) || state == "26000" || state == "42P05" || state == "08P01"
}
