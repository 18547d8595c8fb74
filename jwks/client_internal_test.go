package jwks

import "net/http"

// DefaultClient returns the client that a Remote without RemoteOptions.Client has.
func DefaultClient() *http.Client {
	client, _ := newClient(nil)
	return client
}
