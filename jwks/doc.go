// Package jwks publishes keys as JSON Web Key Sets (RFC 7517), and fetches, caches and refreshes the sets of
// other issuers.
//
// An issuer serves its keys with [Handler] and its metadata with [MetadataHandler], and changes its signing key with
// [Rotate]. A service that accepts tokens of an issuer uses a [Remote], which is a [usher.KeySource]:
//
//	remote, err := jwks.NewIssuer("https://login.example.com/", nil)
//	decoder, err := usher.NewDecoder[Claims](remote, &usher.DecoderOptions{
//		Issuer:   "https://login.example.com/",
//		Audience: usher.Audience{"https://api.example.com"},
//	})
//
// The files of the package:
//
//	jwk.go        parsing and checking one JSON Web Key
//	set.go        Parse, and the rules for a whole set
//	marshal.go    Marshal
//	handler.go    Handler and MetadataHandler
//	rotate.go     Rotate
//	remote.go     Remote and its options
//	refresh.go    when a Remote fetches, and which calls wait
//	snapshot.go   a fetched set
//	fetch.go      one fetch over HTTP, and how long its result is fresh
//	discovery.go  the metadata of an issuer
package jwks
