package session_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
)

func TestSessionsHandlerListsAndEndsTheUsersSessions(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	var tokens []session.Tokens
	for range 4 {
		tokens = append(tokens, s.send(t, "POST", "/login", login).tokens(t))
		s.clock.Advance(1000)
	}
	s.send(t, "GET", "/sessions", "").want(t, 401, "")
	s.send(t, "PUT", "/sessions", "", bearer(tokens[0])).want(t, 405, "DELETE")
	var listed struct {
		Sessions []struct {
			ID      string `json:"id"`
			Label   string `json:"label"`
			Current bool   `json:"current"`
			Subject *string
		} `json:"sessions"`
	}
	a := s.send(t, "GET", "/sessions", "", bearer(tokens[1])).want(t, 200, "")
	if err := json.Unmarshal([]byte(a.body), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed.Sessions) != 4 || listed.Sessions[0].Current || !listed.Sessions[1].Current || listed.Sessions[1].Label != "phone" {
		t.Fatalf("%s", a.body)
	}
	stranger, err := s.Start(t.Context(), "mallory", session.About{})
	if err != nil {
		t.Fatal(err)
	}
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(stranger)).want(t, 404, "no such session")
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1]), header("Sec-Fetch-Site", "cross-site")).want(t, 403, "")
	s.wantSessions(t, 4)
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1])).want(t, 204, "")
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[0].ID, "", bearer(tokens[1])).want(t, 404, "no such session")
	s.send(t, "GET", "/sessions", "", bearer(tokens[0])).want(t, 401, "")
	s.send(t, "DELETE", "/sessions", "", bearer(tokens[1])).want(t, 404, "no such session")
	s.wantSessions(t, 3)
	s.send(t, "GET", "/sessions/others", "", bearer(tokens[1])).want(t, 405, "POST or DELETE")
	s.send(t, "POST", "/sessions/others", "", bearer(tokens[1]), header("Sec-Fetch-Site", "cross-site")).want(t, 403, "")
	s.send(t, "DELETE", "/sessions/others", "", bearer(tokens[1])).want(t, 204, "")
	s.wantSessions(t, 1)
	s.send(t, "DELETE", "/sessions/"+listed.Sessions[1].ID, "", bearer(tokens[1])).want(t, 204, "")
	s.wantSessions(t, 0)
}

func TestEndingTheCurrentSessionClearsItsCookies(t *testing.T) {
	s := newSite(t, session.NewMemoryStore(), withCookies)
	jar := cookieJar{}
	jar.keep(t, s.send(t, "POST", "/login", login).want(t, 200, ""))
	id := s.wantSessions(t, 1)[0].ID
	jar.keep(t, s.send(t, "DELETE", "/sessions/"+id, "", jar.send).want(t, 204, ""))
	if len(jar) != 0 {
		t.Errorf("left over: %v", jar)
	}
}

func TestSessionsHandlerFailsClosed(t *testing.T) {
	s := newSite(t, &failing{Store: session.NewMemoryStore(), failAt: 1, andOn: true})
	sessions := usher.Must(session.SessionsHandler(s.Manager, s.opts))
	others := usher.Must(session.EndOthersHandler(s.Manager, s.opts))
	for _, test := range []struct {
		name, method, target string
		claims               *claims
		status               int
	}{
		{"without a middleware", "GET", "/sessions", nil, 500},
		{"end others without a middleware", "DELETE", "/others", nil, 500},
		{"a token without session ending the others", "DELETE", "/others", &claims{Claims: usher.Claims{Subject: subject}}, 403},
		{"store down, list", "GET", "/sessions", &claims{Claims: usher.Claims{Subject: subject}}, 503},
		{"store down, end others", "POST", "/others", &claims{Claims: usher.Claims{Subject: subject, SessionID: strings.Repeat("A", 22)}}, 503},
		{"store down, end one", "DELETE", "/sessions/" + strings.Repeat("A", 22), &claims{Claims: usher.Claims{Subject: subject}}, 503},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		if id, ok := strings.CutPrefix(test.target, "/sessions/"); ok {
			r.SetPathValue("id", id)
		}
		if test.claims != nil {
			r = r.WithContext(usher.ContextWithClaims(r.Context(), test.claims))
		}
		w := httptest.NewRecorder()
		h := sessions
		if test.target == "/others" {
			h = others
		}
		h.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s: %d %s; want %d", test.name, w.Code, w.Body, test.status)
		}
	}
}

// Routers other than net/http's set no path values. A DELETE whose ID is not found must not end other sessions.
func TestADeleteWithoutAnIDEndsNothing(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	s.mustStart(t)
	current := s.mustStart(t)
	claims := &claims{Claims: usher.Claims{Subject: subject, SessionID: current.SessionID}}
	for name, sessionID := range map[string]func(*http.Request) string{
		"another router": nil,
		"an empty ID":    func(*http.Request) string { return "" },
		"a foreign form": func(*http.Request) string { return "others" },
		"a long ID":      func(*http.Request) string { return strings.Repeat("A", 1<<20) },
	} {
		h := usher.Must(session.SessionsHandler(s.Manager, &session.HandlerOptions{SessionID: sessionID}))
		r := httptest.NewRequest(http.MethodDelete, "/sessions/"+current.SessionID, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(usher.ContextWithClaims(r.Context(), claims)))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d; want 404", name, w.Code)
		}
		s.wantSessions(t, 2)
	}
	h := usher.Must(session.SessionsHandler(s.Manager, &session.HandlerOptions{
		SessionID: func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/sessions/") },
	}))
	r := httptest.NewRequest(http.MethodDelete, "/sessions/"+current.SessionID, nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(usher.ContextWithClaims(r.Context(), claims)))
	if w.Code != http.StatusNoContent {
		t.Errorf("SessionID: %d; want 204", w.Code)
	}
	s.wantSessions(t, 1)
}

func TestAnEndedSessionEndsNoOthers(t *testing.T) {
	s := newSite(t, session.NewMemoryStore())
	ended := usher.Must(s.Start(t.Context(), subject, session.About{}))
	s.clock.Advance(1000)
	usher.Must(s.Start(t.Context(), subject, session.About{}))
	if err := s.EndSession(t.Context(), subject, ended.SessionID); err != nil {
		t.Fatal(err)
	}
	others := usher.Must(session.EndOthersHandler(s.Manager, s.opts))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	w := httptest.NewRecorder()
	// The middleware does not ask whether the session has ended: it has no Check.
	c := &usher.Claims{Subject: subject, SessionID: ended.SessionID}
	others.ServeHTTP(w, r.WithContext(usher.ContextWithClaims(r.Context(), c)))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.wantSessions(t, 1)
}
