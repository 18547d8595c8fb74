package sqlstore

import "context"

// writeLock serializes writers to SQLite, which allows only one at a time. It is nil for other databases. Without it,
// SQLite makes waiting writers poll, with pauses of up to a tenth of a second, and later writers overtake them. Most of
// the time would be spent in pauses, and some writers would time out. Writers of other processes, and of the
// application, are not serialized.
type writeLock chan struct{}

func (l writeLock) lock(ctx context.Context) error {
	if l == nil {
		return nil
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l writeLock) unlock() {
	if l != nil {
		<-l
	}
}
