package main

import (
	"context"
	"net/http"

	"github.com/go-usher/usher"
)

// What the tests of the package use.
var (
	Demonstrate  = demonstrate
	ReadSettings = readSettings
	Run          = run
	WriteKey     = writeKey
)

// NewServiceTokens returns a function that gets a service's token from an endpoint.
func NewServiceTokens(endpoint, id, secret string, client *http.Client) func(context.Context) (string, error) {
	return (&serviceTokens{endpoint: endpoint, id: id, secret: secret, client: client}).get
}

// NewServiceTokenHandler returns the issuer's endpoint, for one service with a secret's hash.
func NewServiceTokenHandler(encoder *usher.Encoder[usher.Claims], id string, secret [32]byte, audience, scope string) http.Handler {
	return serviceTokenHandler(encoder, map[string]service{id: {secret, audience, scope}})
}
