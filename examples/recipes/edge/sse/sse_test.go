package sse_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher/examples/recipes/edge/internal/site"
	"github.com/go-usher/usher/examples/recipes/edge/internal/sitetest"
	"github.com/go-usher/usher/examples/recipes/edge/sse"
)

// news greets the user, and then sends nothing more until its context ends.
func news(ctx context.Context, user *site.User) <-chan string {
	messages := make(chan string)
	go func() {
		defer close(messages)
		select {
		case messages <- "Hello, " + user.Name + "!":
			<-ctx.Done()
		case <-ctx.Done():
		}
	}()
	return messages
}

func handler(auth *site.Auth, events func(context.Context, *site.User) <-chan string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/events", sse.Handler(auth, events, 20*time.Millisecond))
	admins := auth.Allow(func(u *site.User) bool { return u.Admin })
	mux.Handle("/admin/events", sse.Handler(admins, events, 20*time.Millisecond))
	return mux
}

// next returns the next event, as "name: data".
func next(t *testing.T, events *bufio.Reader) string {
	t.Helper()
	var name string
	var data []string
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended with %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "":
			return name + ": " + strings.Join(data, "\n")
		case "event":
			name = value
		case "data":
			data = append(data, value)
		}
	}
}

func ends(t *testing.T, events *bufio.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("after the last event there are %q and %v", rest, err)
	}
}

func TestAStreamIsRefusedAsAnyRequest(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), news))
	sitetest.Refusals(t, s, server, "/events", nil)
	bob := sitetest.Login(t, s, "2", time.Hour)
	if status := sitetest.Get(t, server, "/admin/events", sitetest.Bearer(bob.Token)).StatusCode; status != http.StatusForbidden {
		t.Errorf("Bob gets %d from a stream for admins", status)
	}
}

func TestAStreamEndsWhenItsTokenExpires(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), news))
	ann := sitetest.Login(t, s, "1", time.Second)
	response := sitetest.Get(t, server, "/admin/events", sitetest.InCookie(ann.Token)) // EventSource sends nothing but cookies
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the response is %d with %v", response.StatusCode, response.Header)
	}
	events := bufio.NewReader(response.Body)
	if event := next(t, events); event != "message: Hello, Ann!" {
		t.Errorf("the first event is %q", event)
	}
	if event := next(t, events); event != "refused: expired" {
		t.Errorf("the last event is %q", event)
	}
	ends(t, events)
}

func TestAStreamOutlivesTheServersWriteTimeout(t *testing.T) {
	s := sitetest.New(t)
	ann := sitetest.Login(t, s, "1", time.Second)
	server := httptest.NewUnstartedServer(handler(sitetest.Auth(t, s), news))
	server.Config.WriteTimeout = 10 * time.Millisecond
	server.Start()
	defer server.Close()
	response := sitetest.Get(t, sitetest.Server{URL: server.URL, Client: server.Client()}, "/events", sitetest.Bearer(ann.Token))
	events := bufio.NewReader(response.Body)
	next(t, events)
	if event := next(t, events); event != "refused: expired" {
		t.Errorf("the last event is %q", event)
	}
}

func TestAStreamEndsWhenItsSessionEnds(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), news))
	ann := sitetest.Login(t, s, "1", time.Hour)
	events := bufio.NewReader(sitetest.Get(t, server, "/events", sitetest.InCookie(ann.Token)).Body)
	next(t, events)
	if err := ann.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if event := next(t, events); event != "refused: session_ended" {
		t.Errorf("the last event is %q", event)
	}
	ends(t, events)
}

func TestAStreamEndsWhenItsClientLeaves(t *testing.T) {
	s := sitetest.New(t)
	left := make(chan struct{})
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), func(ctx context.Context, _ *site.User) <-chan string {
		context.AfterFunc(ctx, func() { close(left) })
		return make(chan string)
	}))
	ann := sitetest.Login(t, s, "1", time.Hour)
	response := sitetest.Get(t, server, "/events", sitetest.Bearer(ann.Token))
	response.Body.Close()
	<-left
}

func TestAnEventCannotBringAnother(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), func(context.Context, *site.User) <-chan string {
		messages := make(chan string, 1)
		messages <- "one\ntwo\revent: refused\r\n\ndata: three"
		close(messages)
		return messages
	}))
	ann := sitetest.Login(t, s, "1", time.Hour)
	events := bufio.NewReader(sitetest.Get(t, server, "/events", sitetest.Bearer(ann.Token)).Body)
	if event := next(t, events); event != "message: one\ntwo\nevent: refused\n\ndata: three" {
		t.Errorf("the event is %q", event)
	}
	ends(t, events)
}

func TestAPanicEndsItsStreamAlone(t *testing.T) {
	s := sitetest.New(t)
	server := sitetest.Serve(t, handler(sitetest.Auth(t, s), func(context.Context, *site.User) <-chan string { panic("on purpose") }))
	ann := sitetest.Login(t, s, "1", time.Hour)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/events", nil)
	r.Header = sitetest.Bearer(ann.Token)
	if response, err := server.Client.Do(r); err == nil {
		response.Body.Close()
		t.Errorf("the response is %d, want none", response.StatusCode)
	}
	sitetest.Refusals(t, s, server, "/events", nil) // the server goes on
}
