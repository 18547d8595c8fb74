package origin_test

import (
	"testing"

	"github.com/go-usher/usher/internal/origin"
)

func TestOnlySchemeHostAndPortArePlain(t *testing.T) {
	for text, want := range map[string]bool{
		"https://app.example":         true,
		"https://app.example:8443":    true,
		"http://localhost:8080":       true,
		"http://127.0.0.1":            true,
		"http://[::1]:8080":           true,
		"https://xn--bcher-kva.de":    true,
		"https://under_score.example": true,
		"app+custom://page":           true,

		"":                            false,
		"*":                           false,
		"null":                        false,
		"app.example":                 false,
		"//app.example":               false,
		"https:":                      false,
		"https://":                    false,
		"https://:8443":               false,
		"https://*.app.example":       false,
		"HTTPS://app.example":         false,
		"https://App.example":         false,
		"https://bücher.de":           false,
		"https://user@app.example":    false,
		"https://app.example:":        false,
		"https://app.example:port":    false,
		"https://app.example:99999":   false,
		"https://app.example:-1":      false,
		"https://app.example/":        false,
		"https://app.example/path":    false,
		"https://app.example?":        false,
		"https://app.example?a=b":     false,
		"https://app.example#":        false,
		"https://app.example#a":       false,
		" https://app.example":        false,
		"https://app.example ":        false,
		"https://app example":         false,
		"https://a.example,b.example": false,
		"https://app.example\n":       false,
	} {
		if got := origin.IsPlain(text); got != want {
			t.Errorf("IsPlain(%q) = %v", text, got)
		}
	}
}
