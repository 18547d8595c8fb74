package sqltest

import (
	"net/url"
	"os"
	"testing"

	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
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

// lib/pq ignores contexts where the network says nothing.
func TestAStoreOverLibPQSurvivesTheFaultsOfItsNetwork(t *testing.T) {
	storetest.RunFaults(t, func(t *testing.T) (session.Store, storetest.Network) {
		raw := os.Getenv("USHER_TEST_POSTGRES_URL")
		if raw == "" {
			t.Skip("USHER_TEST_POSTGRES_URL is not set")
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		proxy := storetest.NewProxy(t, u.Host)
		u.Host = proxy.Addr()
		return newStore(t, open(t, "postgres", u.String()), sqlstore.PostgreSQL), proxy
	})
}
