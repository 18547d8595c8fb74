package routertest

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
)

// UploadsAreRemoved checks that the temporary files of an upload are gone after the response. net/http removes those of the
// request that it made, so a framework must not parse the form of a copy. serve returns a handler of POST /upload that is
// protected and writes the size that it is given the function for.
func UploadsAreRemoved(t *testing.T, serve func(s *Service, size func(*http.Request) int64) http.Handler) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := NewService(t)
	const bytesOfFile = 1 << 16
	stored := 0
	server := httptest.NewServer(serve(s, func(r *http.Request) int64 {
		if err := r.ParseMultipartForm(1); err != nil { //nolint:gosec // one byte: all of the file goes to the disk
			t.Error(err)
			return 0
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		stored = len(files)
		return r.MultipartForm.File["file"][0].Size
	}))
	defer server.Close()

	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("file", "name")
	if err == nil {
		_, err = file.Write(make([]byte, bytesOfFile))
	}
	if err == nil {
		err = parts.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	token, _ := s.Login(t, "1")
	got := NewClient(t, server.URL).Do("POST /upload", Bearer(token), Header("Content-Type", parts.FormDataContentType()), Body(form.String()))
	if got.Status != http.StatusOK || got.Body != strconv.Itoa(bytesOfFile) || stored != 1 {
		t.Fatalf("the upload: %d %q with %d files on disk, want one of %d bytes", got.Status, got.Body, stored, bytesOfFile)
	}
	server.Close() // waits until net/http has finished with the request
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%d temporary files are left, %v", len(left), err)
	}
}
