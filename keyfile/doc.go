// Package keyfile reads keys from files. It reads changed files again while the service runs, so keys rotate without a
// restart. It supports Secrets mounted by Kubernetes, files written by Vault's agent, and files copied by hand.
//
//	keys, err := keyfile.Open("/etc/keys", &keyfile.Options{Signer: "current.pem"})
//	encoder, err := usher.NewEncoder[Claims](keys, nil)
//	decoder, err := usher.NewDecoder[Claims](keys, nil)
//	published, err := jwks.Handler(keys.Keys, nil)
//
// The files of the package:
//
//	keyfile.go  Open, Options and Keys
//	reload.go   when files are read again, and which calls wait
//	rotate.go   which keys sign and verify, when files change and over time
//	files.go    reading files
//	parse.go    the keys in one file
//	secret.go   checks of secrets
package keyfile
