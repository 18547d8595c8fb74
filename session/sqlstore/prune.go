package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/go-usher/usher/session/internal/bounded"
)

// Prune deletes in batches, so that other operations never wait long for it. The size of batches is adapted between
// minBatch and maxBatch sessions, so that each takes about batchTime. The pause after a batch is as long as the batch
// took, but at most maxPause, so that Prune takes at most half of what the database can do.
const (
	batchTime = 50 * time.Millisecond
	minBatch  = 100
	maxBatch  = 5000
	maxPause  = time.Second
	// batchLimit is the time limit of one batch, whatever the context of Prune.
	batchLimit = 10 * time.Second
)

// Prune implements [session.Store]. It deletes in small batches and pauses after each, so logins and refreshes
// continue. A million expired sessions may take minutes. If a batch fails or ctx ends, it returns the error and the
// number of sessions that earlier batches have removed.
func (s *Store) Prune(ctx context.Context, now time.Time) (int, error) {
	var pruned int
	var err error
	switch s.grammar.walk {
	case walkByID:
		pruned, err = s.pruneByID(ctx, now)
	case walkByTime:
		pruned, err = s.pruneByTime(ctx, now, s.pruneUpTo, s.pruneSessions)
	default:
		pruned, err = s.pruneFromStart(ctx, s.pruneSessions, now.UnixMicro())
	}
	if err != nil {
		return pruned, err
	}
	if s.grammar.walk == walkByTime {
		_, err = s.pruneByTime(ctx, now, s.pruneSubjectsUpTo, s.pruneSubjects)
	} else {
		_, err = s.pruneFromStart(ctx, s.pruneSubjects, now.UnixMicro(), now.UnixMicro())
	}
	return pruned, err
}

// walk is a way to iterate over a table.
type walk int

const (
	walkFromStart walk = iota // delete the first rows until there are none; the arguments end with a limit
	walkByID                  // in ranges of ids
	walkByTime                // in ranges of the time at which rows may be deleted
)

func (s *Store) pruneFromStart(ctx context.Context, rows *statement, args ...any) (int, error) {
	return s.inBatches(ctx, func(ctx context.Context, size int) (deleted int, more bool, err error) {
		n, err := rows.exec(ctx, nil, append(args, size)...)
		return int(n), int(n) >= size, err
	})
}

func (s *Store) pruneByID(ctx context.Context, now time.Time) (int, error) {
	after := "" // less than every id
	return s.inBatches(ctx, func(ctx context.Context, size int) (deleted int, more bool, err error) {
		var upTo sql.NullString
		if err := s.pruneUpTo.row(ctx, nil, []any{after, size}, &upTo); err != nil || upTo.String <= after {
			return 0, false, err
		}
		n, err := s.pruneSessions.exec(ctx, nil, after, upTo.String, now.UnixMicro())
		after = upTo.String
		return int(n), true, err
	})
}

func (s *Store) pruneByTime(ctx context.Context, now time.Time, end, rows *statement) (int, error) {
	after := int64(noCutoff) // less than every time
	return s.inBatches(ctx, func(ctx context.Context, size int) (deleted int, more bool, err error) {
		var upTo sql.NullInt64
		if err := end.row(ctx, nil, []any{after, now.UnixMicro(), size}, &upTo); err != nil || !upTo.Valid || upTo.Int64 <= after {
			return 0, false, err
		}
		n, err := rows.exec(ctx, nil, after, upTo.Int64)
		after = upTo.Int64
		return int(n), true, err
	})
}

// inBatches calls batch until there is no more to do, and returns the total number of deleted rows. It adapts the size
// to the time that a batch takes.
func (s *Store) inBatches(ctx context.Context, batch func(ctx context.Context, size int) (deleted int, more bool, err error)) (int, error) {
	type batchResult struct {
		deleted int
		more    bool
	}
	total, size := 0, minBatch
	for {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, batchLimit)
		d, err := bounded.Do(limited, &s.calls, func(ctx context.Context) (batchResult, error) {
			deleted, more, err := batch(ctx, size)
			return batchResult{deleted, more}, err
		})
		cancel()
		total += d.deleted
		if err != nil || !d.more {
			return total, err
		}
		took := time.Since(began)
		if err := wait(ctx, min(took, maxPause)); err != nil {
			return total, err
		}
		switch {
		case took < batchTime/2:
			size = min(2*size, maxBatch)
		case took > batchTime:
			size = max(size/2, minBatch)
		}
	}
}
