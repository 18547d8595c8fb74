package sqltest

import (
	"testing"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/storetest"
)

func TestStoresSurviveTheFaultsOfTheirNetwork(t *testing.T) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			storetest.RunFaults(t, func(t *testing.T) (session.Store, storetest.Network) {
				db, proxy := behindProxy(t, d)
				return newStore(t, db, d.dialect), proxy
			})
		})
	}
}
