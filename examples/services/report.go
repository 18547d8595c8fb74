package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints what the clients saw, and what was asked that has to be refused. Its error says what was not as it should be.
func (d *demo) report(ctx context.Context) error {
	fmt.Fprintln(d.out)
	return errors.Join(d.reportPhases(), d.reportRefusals(ctx))
}

func (d *demo) reportPhases() error {
	var problems []error
	table := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "phase\trequests\trefused\tp50\tp99\tadded p99\t")
	base := percentile(d.load.phases[0].took, 99)
	for _, p := range d.load.phases {
		p99 := percentile(p.took, 99)
		fmt.Fprintf(table, "%s\t%d\t%d\t%.1f ms\t%.1f ms\t%+.1f ms\t\n", p.name, len(p.took), len(p.refused),
			milliseconds(percentile(p.took, 50)), milliseconds(p99), milliseconds(p99-base))
		switch {
		case len(p.refused) > 0:
			problems = append(problems, fmt.Errorf("%s: %d requests were refused, the first with %s", p.name, len(p.refused), p.refused[0]))
		case len(p.took) < clients:
			problems = append(problems, fmt.Errorf("%s: there were only %d requests", p.name, len(p.took)))
		}
	}
	problems = append(problems, table.Flush())
	return errors.Join(problems...)
}

// reportRefusals asks for what nobody may have.
func (d *demo) reportRefusals(ctx context.Context) error {
	user := &client{load: d.load, user: "ada"}
	if err := user.login(ctx); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	var problems []error
	for _, c := range []struct{ what, url, token string }{
		{"orders, without a token", d.env["ORDERS"] + "/orders", ""},
		{"orders, with a forged token", d.env["ORDERS"] + "/orders", user.access[:len(user.access)-8] + "AAAAAAAA"},
		{"stock, with a user's token", d.env["STOCK"] + "/reserved/ada", user.access},
	} {
		status, _, err := d.load.do(ctx, http.MethodGet, c.url, c.token, nil)
		fmt.Fprintf(d.out, "%s: %d\n", c.what, status)
		if err != nil || status != http.StatusUnauthorized {
			problems = append(problems, fmt.Errorf("%s: %d instead of 401, %w", c.what, status, err))
		}
	}
	return errors.Join(problems...)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// keyID returns the kid of an accepted token.
func keyID(token string) string {
	first, _, _ := strings.Cut(token, ".")
	var header struct {
		ID string `json:"kid"`
	}
	if text, err := base64.RawURLEncoding.DecodeString(first); err == nil {
		_ = json.Unmarshal(text, &header)
	}
	return header.ID
}
