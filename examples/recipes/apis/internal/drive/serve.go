package drive

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve serves, for the time of the test, the handler of a service that knows its own address, and returns the address.
func Serve(t *testing.T, service func(base string) http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = service("http://" + server.Listener.Addr().String())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
