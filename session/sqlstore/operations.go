package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/internal/bounded"
)

// Start implements [session.Store].
func (s *Store) Start(ctx context.Context, r session.Record, limit int, now time.Time) ([]string, error) {
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) ([]string, error) { return s.runStart(ctx, r, limit, now) })
}

// runStart first locks the subject's row, like runEndAll, so that they do not run at the same time.
func (s *Store) runStart(ctx context.Context, r session.Record, limit int, now time.Time) (ended []string, err error) {
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := s.upsertSubject.exec(ctx, tx, r.Subject, int64(noCutoff), int64(noCutoff)); err != nil {
			return err
		}
		var cutoff int64
		if err := s.selectCutoff.row(ctx, tx, []any{r.Subject}, &cutoff); err != nil {
			return err
		}
		if r.AuthTime.UnixMicro() <= cutoff {
			return session.ErrSessionEnded
		}
		none := session.State{}
		_, err := s.insertSession.exec(ctx, tx, r.ID, r.Subject, r.Token[:], none.Previous[:], none.Nonce[:], r.UserAgent, r.Address, r.Label,
			r.AuthTime.UnixMicro(), r.StartedAt.UnixMicro(), r.StartedAt.UnixMicro(), r.ExpiresAt.UnixMicro(), r.EndsAt.UnixMicro())
		if err != nil {
			return err
		}
		if _, err := s.deleteExpired.exec(ctx, tx, r.Subject, now.UnixMicro()); err != nil {
			return err
		}
		if limit > 0 {
			ended, err = s.endExcess(ctx, tx, r, limit, now)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

func (s *Store) endExcess(ctx context.Context, tx *sql.Tx, r session.Record, limit int, now time.Time) ([]string, error) {
	others, err := s.ids(ctx, tx, r.Subject, r.ID, now)
	if err != nil {
		return nil, err
	}
	ended := others[:max(0, len(others)+1-limit)]
	for _, id := range ended {
		if _, err := s.deleteID.exec(ctx, tx, id); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// Rotate implements [session.Store].
func (s *Store) Rotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) (session.Rotated, error) { return s.runRotate(ctx, r) })
}

// runRotate needs only its UPDATE if the token is the current one. If the UPDATE changes nothing, runRotate reads the
// row and decides. Every change of a row increments its generation, so runRotate detects that the row has changed since
// it was read, and decides again.
func (s *Store) runRotate(ctx context.Context, r session.Rotation) (session.Rotated, error) {
	for range maxRotateAttempts {
		changed, err := s.rotate.exec(ctx, nil, r.Generation+1, r.Successor[:], r.Token[:], r.Nonce[:], r.Now.UnixMicro(),
			r.ExpiresAt.UnixMicro(), r.ExpiresAt.UnixMicro(),
			r.SessionID, r.Subject, r.Generation, r.Token[:], r.Now.UnixMicro())
		if err != nil {
			return session.Rotated{}, err
		}
		if changed == 1 {
			return session.Rotated{Successor: r.Successor, Nonce: r.Nonce}, nil
		}
		state, err := s.loadState(ctx, r)
		if errors.Is(err, sql.ErrNoRows) {
			return session.Rotated{}, session.ErrSessionEnded
		}
		if err != nil {
			return session.Rotated{}, err
		}
		switch r.Judge(state) {
		case session.Rotate: // the row was created again in between; decide again
		case session.Retry:
			return session.Rotated{Successor: state.Token, Nonce: state.Nonce}, nil
		case session.Refuse:
			return session.Rotated{}, session.ErrRefreshToken
		case session.Reuse:
			ended, err := s.endUnchanged.exec(ctx, nil, r.SessionID, r.Subject, state.Generation)
			if err != nil {
				return session.Rotated{}, err
			}
			if ended == 1 {
				return session.Rotated{}, session.ErrReused
			}
		default:
			return session.Rotated{}, session.ErrSessionEnded
		}
	}
	return session.Rotated{}, errors.New("sqlstore: the session keeps changing")
}

// maxRotateAttempts is the maximum number of decisions. For each repetition, another operation on the session must have
// succeeded.
const maxRotateAttempts = 100

func (s *Store) loadState(ctx context.Context, r session.Rotation) (session.State, error) {
	var state session.State
	var rotatedAt, expiresAt int64
	var token, previous, nonce []byte
	err := s.selectState.row(ctx, nil, []any{r.SessionID, r.Subject}, &state.Generation, &token, &previous, &nonce, &rotatedAt, &expiresAt)
	if err != nil {
		return session.State{}, err
	}
	if len(token) != len(state.Token) || len(previous) != len(state.Previous) || len(nonce) != len(state.Nonce) {
		return session.State{}, errors.New("sqlstore: the session's row is damaged")
	}
	copy(state.Token[:], token)
	copy(state.Previous[:], previous)
	copy(state.Nonce[:], nonce)
	state.RotatedAt, state.ExpiresAt = fromMicro(rotatedAt), fromMicro(expiresAt)
	return state, nil
}

// Lookup implements [session.Store].
func (s *Store) Lookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	if s.dialect == SQLite {
		return s.runLookup(ctx, subject, id, now) // the database is in this process, so no server can hang
	}
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) (session.Session, error) { return s.runLookup(ctx, subject, id, now) })
}

func (s *Store) runLookup(ctx context.Context, subject, id string, now time.Time) (session.Session, error) {
	var row sessionRow
	err := s.lookup.row(ctx, nil, []any{id, subject, now.UnixMicro()}, row.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, session.ErrSessionEnded
	}
	if err != nil {
		return session.Session{}, err
	}
	return row.session(), nil
}

// List implements [session.Store].
func (s *Store) List(ctx context.Context, subject string, now time.Time) ([]session.Session, error) {
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) ([]session.Session, error) { return s.runList(ctx, subject, now) })
}

func (s *Store) runList(ctx context.Context, subject string, now time.Time) ([]session.Session, error) {
	var list []session.Session
	err := s.list.rows(ctx, nil, []any{subject, now.UnixMicro()}, func(rows *sql.Rows) error {
		var row sessionRow
		if err := rows.Scan(row.dest()...); err != nil {
			return err
		}
		list = append(list, row.session())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// End implements [session.Store].
func (s *Store) End(ctx context.Context, subject, id string, now time.Time) (bool, error) {
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) (bool, error) {
		ended, err := s.end.exec(ctx, nil, id, subject, now.UnixMicro())
		return ended == 1, err
	})
}

// EndAll implements [session.Store].
func (s *Store) EndAll(ctx context.Context, subject, keep string, now, forget time.Time) ([]string, error) {
	return bounded.Do(ctx, &s.calls, func(ctx context.Context) ([]string, error) { return s.runEndAll(ctx, subject, keep, now, forget) })
}

func (s *Store) runEndAll(ctx context.Context, subject, keep string, now, forget time.Time) (ended []string, err error) {
	err = s.inTransaction(ctx, func(tx *sql.Tx) error {
		if _, err := s.upsertSubject.exec(ctx, tx, subject, now.UnixMicro(), forget.UnixMicro()); err != nil {
			return err
		}
		if ended, err = s.ids(ctx, tx, subject, keep, now); err != nil {
			return err
		}
		_, err := s.endOthers.exec(ctx, tx, subject, keep)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// ids returns the IDs of the subject's live sessions except one, oldest first.
func (s *Store) ids(ctx context.Context, tx *sql.Tx, subject, except string, now time.Time) ([]string, error) {
	var ids []string
	err := s.liveIDs.rows(ctx, tx, []any{subject, except, now.UnixMicro()}, func(rows *sql.Rows) error {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// sessionRow holds the values of sessionColumns.
type sessionRow struct {
	s                                         session.Session
	authTime, startedAt, rotatedAt, expiresAt int64
}

func (r *sessionRow) dest() []any {
	return []any{&r.s.ID, &r.s.Subject, &r.s.UserAgent, &r.s.Address, &r.s.Label, &r.authTime, &r.startedAt, &r.rotatedAt, &r.expiresAt}
}

func (r *sessionRow) session() session.Session {
	r.s.AuthTime, r.s.StartedAt = fromMicro(r.authTime), fromMicro(r.startedAt)
	r.s.LastUsedAt, r.s.ExpiresAt = fromMicro(r.rotatedAt), fromMicro(r.expiresAt)
	return r.s
}

func fromMicro(us int64) time.Time { return time.UnixMicro(us).UTC() }
