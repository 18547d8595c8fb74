// Package jwks publishes keys as JSON Web Key Sets (RFC 7517), and fetches, caches and refreshes the sets of
// other issuers.
//
// An issuer serves its keys with [Handler], names them with [MetadataHandler], and changes them with [Rotate].
// A service that accepts the tokens of an issuer makes a [Remote], which is a [usher.KeySource]:
//
//	remote, err := jwks.NewIssuer("https://login.example.com/", nil)
//	decoder, err := usher.NewDecoder[Claims](remote, &usher.DecoderOptions{
//		Issuer:   "https://login.example.com/",
//		Audience: usher.Audience{"https://api.example.com"},
//	})
//
// The files of the package:
//
//	jwk.go        one JSON Web Key, checked
//	set.go        Parse, and the rules for a whole set
//	marshal.go    Marshal
//	handler.go    Handler and MetadataHandler
//	rotate.go     Rotate
//	remote.go     Remote, its options and its answers
//	refresh.go    when a Remote fetches, and who waits for it
//	snapshot.go   the set that a Remote answers from
//	fetch.go      one fetch over HTTP, and how long its result is fresh
//	discovery.go  the metadata of an issuer
package jwks
