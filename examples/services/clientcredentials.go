package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/go-usher/usher"
)

// service is a client of the issuer that gets tokens for itself.
type service struct {
	secret          [sha256.Size]byte // its hash; the secret is random, so that a fast one is enough
	audience, scope string
}

// serviceTokenHandler issues access tokens to services by the client credentials grant (RFC 6749 §4.4).
func serviceTokenHandler(encoder *usher.Encoder[usher.Claims], services map[string]service) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		id, secret, _ := r.BasicAuth()
		client, known := services[id]
		digest := sha256.Sum256([]byte(secret))
		if subtle.ConstantTimeCompare(digest[:], client.secret[:]) != 1 || !known {
			w.Header().Set("WWW-Authenticate", `Basic realm="issuer"`)
			respond(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
			return
		}
		if r.PostFormValue("grant_type") != "client_credentials" {
			respond(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
			return
		}
		token, err := encoder.Encode(r.Context(), usher.Claims{Subject: id, Audience: usher.Audience{client.audience}, Scope: client.scope})
		if err != nil {
			respond(w, http.StatusServiceUnavailable, map[string]string{"error": "temporarily_unavailable"})
			return
		}
		respond(w, http.StatusOK, serviceToken{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(encoder.TTL() / time.Second), Scope: client.scope})
	}
}
