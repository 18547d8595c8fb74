package session_test

import (
	"testing"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/storetest"
)

func TestMemoryStoreMeetsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) session.Store { return session.NewMemoryStore() })
}
