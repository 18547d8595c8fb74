package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/go-usher/usher"
)

// reportUnknown prints what tokens with distinct unknown kids cost, and how often the set is fetched because of them.
func reportUnknown(ctx context.Context, issuer *issuer, tokens int, out io.Writer) error {
	fmt.Fprintln(out)
	fmt.Fprintln(out, "| tokens with distinct unknown kids | tokens | each | of a forged ES256 token of its own | fetches | heap |")
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|")
	for _, c := range contenders() {
		if strings.Contains(c.name, "remembered") || strings.Contains(c.name, "fixed") {
			continue
		}
		n := tokens / 1000
		if c.name == nameRemote {
			n = tokens
		}
		if err := c.reportUnknown(ctx, issuer, n, out); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (c contender) reportUnknown(ctx context.Context, issuer *issuer, n int, out io.Writer) error {
	verify, err := c.open(ctx, issuer, usher.ES256)
	if err != nil {
		return err
	}
	good := issuer.tokens[usher.ES256]
	if err := verify(good); err != nil {
		return err
	}
	const forgeries = 500
	bad := forged(good)
	began := time.Now()
	for range forgeries {
		if verify(bad) == nil {
			return errors.New("a forged token is accepted")
		}
	}
	forgery := time.Since(began) / forgeries

	_, rest, _ := strings.Cut(good, ".")
	before, fetches := heapInUse(), issuer.fetches.Load()
	began = time.Now()
	for i := range n {
		header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"ES256","kid":"unknown %d","typ":"JWT"}`, i))
		if verify(header+"."+rest) == nil {
			return errors.New("a token with an unknown kid is accepted")
		}
	}
	elapsed := time.Since(began)
	fetches = issuer.fetches.Load() - fetches
	grown := max(0, int64(heapInUse())-int64(before))
	each := elapsed / time.Duration(n)
	fmt.Fprintf(out, "| %s | %d | %.1f µs | %.2f | %d in %.1f s | +%d KiB |\n", c.name, n, float64(each)/1e3, float64(each)/float64(forgery), fetches, elapsed.Seconds(), grown>>10)
	runtime.KeepAlive(verify)
	return nil
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
