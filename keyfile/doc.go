// Package keyfile reads keys from files, and reads them again while the program serves, so that keys rotate
// without a restart: as Kubernetes mounts Secrets, as Vault's agent writes them, and as people copy them.
//
//	keys, err := keyfile.Open("/etc/keys", &keyfile.Options{Signer: "current.pem"})
//	encoder, err := usher.NewEncoder[Claims](keys, nil)
//	decoder, err := usher.NewDecoder[Claims](keys, nil)
//	published, err := jwks.Handler(keys.Keys, nil)
//
// The files of the package:
//
//	keyfile.go  Open, Options, and Keys with its answers
//	reload.go   when files are read again, and who waits for it
//	rotate.go   which keys sign and verify, as files and time change
//	files.go    the files' content
//	parse.go    the keys in one file
//	secret.go   what is and what is not a secret
package keyfile
