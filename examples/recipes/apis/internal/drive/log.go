package drive

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// Log remembers what clients asked for, and what they were answered.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Around returns next with a log.
func (l *Log) Around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&loggedWriter{w, l, r, false}, r)
	})
}

// Lines returns what has been logged so far, as "GET /path 200".
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// loggedWriter logs before the client can know the status.
type loggedWriter struct {
	http.ResponseWriter
	log   *Log
	r     *http.Request
	wrote bool
}

func (w *loggedWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.log.mu.Lock()
		w.log.lines = append(w.log.lines, fmt.Sprintf("%s %s %d", w.r.Method, w.r.URL.Path, status))
		w.log.mu.Unlock()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *loggedWriter) Write(data []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(data)
}

// Flush is what servers of streams ask for.
func (w *loggedWriter) Flush() {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Quiet discards, for the time of the test, what is logged to slog.Default.
func Quiet(t *testing.T) {
	t.Helper()
	old := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(old) })
}
