package session_test

import (
	"encoding/json"
	"testing"

	"github.com/go-usher/usher/session"
)

func TestTokensMarshalAsAnAccessTokenResponse(t *testing.T) {
	w := newWorld(t, session.NewMemoryStore())
	body, err := json.Marshal(w.mustStart(t))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got["token_type"] != "Bearer" || got["expires_in"] != 900.0 || got["access_token"] == "" || got["refresh_token"] == "" {
		t.Errorf("%s", body)
	}
}
