package sqlstore

import "context"

// turn serializes writers to SQLite, which allows only one at a time. It is nil for other databases. Without it, SQLite
// makes waiting writers poll, with pauses of up to a tenth of a second, and later writers overtake them. Most of the
// time would be spent in pauses, and some writers would time out. Writers of other processes, and of the application,
// are not serialized.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() {
	if t != nil {
		<-t
	}
}
