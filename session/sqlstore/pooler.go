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
	// poolerWait is how long verifyPooler waits for another connection.
	poolerWait = time.Second
	// poolerConns is the maximum number of other connections that verifyPooler opens.
	poolerConns = 4
)

// A pooler in transaction mode, such as PgBouncer, assigns a server connection to each transaction. Unless it supports
// prepared statements (PgBouncer 1.21 or later with max_prepared_statements above zero), a statement that was prepared
// on one server connection may be missing on the next, or may be another client's statement with the same name. lib/pq
// numbers its statements, so a logout could run another client's SELECT and appear to succeed.

// verifyPooler returns an error if there is such a pooler and the store's statements would be mixed up.
//
// It prepares a statement on one connection. A transaction on another connection then occupies the first one's server
// connection, so the pooler has to assign a different one to the first. Without a pooler, the server connection stays
// the same.
func (s *Store) verifyPooler(ctx context.Context) error {
	if s.db.Stats().MaxOpenConnections == 1 {
		return nil // the pool allows no second connection
	}
	first, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer func() { _ = first.Close() }() // returns it to the pool
	pooled, probeErr := s.probe(ctx, first)
	if probeErr != nil && (pooled || isPreparedStatementError(probeErr)) {
		_ = first.Raw(func(any) error { return driver.ErrBadConn }) // removes the connection with its prepared statements from the pool
		return fmt.Errorf("sqlstore: a pooler in transaction mode mixes up prepared statements: "+
			"use PgBouncer 1.21 or later with max_prepared_statements above zero, or its session mode, "+
			"or Options.NoPrepare with pgx and default_query_exec_mode=exec: %w", probeErr)
	}
	if probeErr != nil {
		return fmt.Errorf("sqlstore: %w", probeErr)
	}
	if pooled && s.rotate.unprepared && isPQ(s.db) {
		return errors.New("sqlstore: lib/pq sends statement and arguments separately, and a pooler in transaction mode may pass them to different servers; use pgx")
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

// probe reports whether a connection's server changes. It returns an error if a statement that was prepared before no
// longer works.
func (s *Store) probe(ctx context.Context, first *sql.Conn) (pooled bool, err error) {
	number, err := rand.Int(rand.Reader, big.NewInt(1<<31))
	if err != nil {
		return false, err
	}
	// No other client has a statement with this result.
	query := fmt.Sprintf("SELECT pg_backend_pid(), CAST($1 AS bigint) + %d", number)
	var statement runner = unpreparedRunner{first, query}
	if !s.rotate.unprepared {
		prepared, err := first.PrepareContext(ctx, query)
		if err != nil {
			return false, err
		}
		defer func() { _ = prepared.Close() }() // if this fails, the connection is not used again
		statement = prepared
	}
	return s.serverChanges(ctx, func(n int64) (pid int, err error) {
		var sum int64
		err = statement.QueryRowContext(ctx, n).Scan(&pid, &sum)
		if err == nil && sum != n+number.Int64() {
			err = errMixedUp
		}
		return pid, err
	})
}

// serverChanges occupies the servers of other connections until serverPID, called with different numbers, fails or
// returns another process ID. If no more connections are available, it returns false.
func (s *Store) serverChanges(ctx context.Context, serverPID func(n int64) (int, error)) (bool, error) {
	before, err := serverPID(1)
	if err != nil {
		return false, err
	}
	var releases []func()
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	for n := range s.maxOtherConns() {
		other, release, err := s.occupyServer(ctx)
		if isPreparedStatementError(err) { // from the driver
			return true, err
		}
		if err != nil {
			return false, ctx.Err() // no other connection is available
		}
		releases = append(releases, release)
		after, err := serverPID(int64(n + 2))
		if err != nil || other == before || after != before {
			return true, err
		}
	}
	return false, nil
}

// maxOtherConns returns the number of connections that a probe may use besides the first.
func (s *Store) maxOtherConns() int {
	if limit := s.db.Stats().MaxOpenConnections; limit > 0 {
		return min(limit-1, poolerConns)
	}
	return poolerConns
}

// occupyServer begins a transaction and returns the process ID of its server. release ends the transaction.
func (s *Store) occupyServer(ctx context.Context) (pid int, release func(), err error) {
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

// isPreparedStatementError reports whether a prepared statement is missing (26000), exists already (42P05), or does not
// fit the message (08P01).
func isPreparedStatementError(err error) bool {
	state, _ := sqlState(err)
	return errors.Is(err, errMixedUp) || state == "26000" || state == "42P05" || state == "08P01"
}
