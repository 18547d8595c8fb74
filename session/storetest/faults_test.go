package storetest_test

import (
	"testing"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/storetest"
)

func TestAFaultyMemoryStoreKeepsTheContract(t *testing.T) {
	storetest.RunFaults(t, func(t *testing.T) (session.Store, storetest.Network) {
		faulty := storetest.NewFaulty(session.NewMemoryStore())
		t.Cleanup(faulty.Wait)
		return faulty, faulty
	})
}
