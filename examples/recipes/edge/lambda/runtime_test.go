package lambda_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// function is a process that runs the function of TestMain, as Lambda would: it asks for events over HTTP, and posts responses.
type function struct {
	tokens  map[string]string
	events  chan string
	answers chan answer
}

// answer is what the function posted: to which path, and what.
type answer struct{ path, body string }

func start(t *testing.T) *function {
	t.Helper()
	f := &function{events: make(chan string), answers: make(chan answer)}
	api := httptest.NewServer(f.runtimeAPI())
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		api.Close()
	})
	if err := json.NewDecoder(out).Decode(&f.tokens); err != nil {
		t.Fatal(err)
	}
	return f
}

// runtimeAPI is Lambda's side: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (f *function) runtimeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case event := <-f.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			fmt.Fprint(w, event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/1/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		select {
		case f.answers <- answer{r.PathValue("kind"), string(body)}:
		case <-r.Context().Done():
		}
	})
	return mux
}

// pass passes an event to the function.
func (f *function) pass(t *testing.T, e event) {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case f.events <- string(text):
	case <-time.After(time.Minute):
		t.Fatal("the function does not ask for an event")
	}
}

// answer returns what the function posted to this path.
func (f *function) answer(t *testing.T, path string) string {
	t.Helper()
	select {
	case got := <-f.answers:
		if got.path != path {
			t.Fatalf("the function posted to %s: %s", got.path, got.body)
		}
		return got.body
	case <-time.After(time.Minute):
		t.Fatal("the function does not answer")
	}
	return ""
}

func (f *function) failure(t *testing.T) string {
	t.Helper()
	return f.answer(t, "error")
}

// invoke passes an event and returns the response.
func (f *function) invoke(t *testing.T, e event) response {
	t.Helper()
	f.pass(t, e)
	var got response
	if err := json.Unmarshal([]byte(f.answer(t, "response")), &got); err != nil {
		t.Fatal(err)
	}
	return got
}
