package lookup

import (
	"context"
	"errors"
	"testing"
)

// If a call ends at the same time as its context, its value or its refusal counts, and any other error is the time limit.
func TestErrorsAfterTheTimeLimit(t *testing.T) {
	refused, down := errors.New("there is no such key"), errors.New("the database is down")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx       context.Context
		err, want error
	}{
		{t.Context(), nil, nil}, {t.Context(), refused, refused}, {t.Context(), down, down},
		{ended, nil, nil}, {ended, refused, refused}, {ended, down, ErrTimeout}, {ended, context.Canceled, ErrTimeout},
	} {
		find := func(context.Context, string) (int, error) { return 1, test.err }
		c := New(find, func(err error) bool { return errors.Is(err, refused) }, Options{MaxEntries: 1})
		if v, err := c.callFind(test.ctx, "key"); !errors.Is(err, test.want) || (err == nil) != (v == 1) {
			t.Errorf("%v, after the time limit %v: %d, %v", test.err, test.ctx == ended, v, err)
		}
	}
}
