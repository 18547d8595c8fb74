package proof_test

import (
	"io"
	"net/http"
)

// send returns a response's status and body.
func send(client *http.Client, r *http.Request) (status int, body string, err error) {
	res, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}
