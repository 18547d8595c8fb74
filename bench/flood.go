//go:build !alone

package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/go-usher/usher"
)

const (
	floodCache = 10_000    // CacheSize
	floodSize  = 1_000_000 // distinct valid tokens
	floodSteps = 10        // looks at the heap
)

// flooded is what a stream of distinct valid tokens did to a decoder's cache. Nobody can tell from outside
// whether a token was remembered, but for one thing: the claims of a remembered token share their slices with
// those of the last time, and freshly decoded ones do not. While the old slice is held, its address is proof.
type flooded struct {
	Tokens    int           `json:"tokens"`
	CacheSize int           `json:"cache_size"`
	Baseline  uint64        `json:"baseline_bytes"` // heap in use after a collection, with the empty decoder
	Heap      []uint64      `json:"heap_bytes"`     // the same after each tenth of the tokens
	Hot       []hotToken    `json:"hot"`
	Elapsed   time.Duration `json:"elapsed"`
}

// hotToken is a token that is used again and again during the flood.
type hotToken struct {
	Every int `json:"every"` // once in so many tokens of the flood
	Uses  int `json:"uses"`
	Hits  int `json:"hits"`
}

// flood sends n distinct valid tokens through a decoder with a cache, and two tokens that are in use all the
// time: one comes often enough for any cache, the other more seldom than the cache has places.
func flood(k *keys, n int) (flooded, error) {
	s := setup{alg: "HS256", size: 8, keys: k, born: time.Now().Add(-time.Minute)}
	decoder, err := usherDecoder[usher8](s, floodCache)
	if err != nil {
		return flooded{}, err
	}
	result := flooded{Tokens: n, CacheSize: floodCache, Hot: []hotToken{{Every: 1_000}, {Every: 2 * floodCache}}}
	probes := make([]*hotProbe, len(result.Hot))
	for i := range probes {
		if probes[i], err = newHotProbe(decoder, s, i); err != nil {
			return flooded{}, err
		}
	}
	ctx, start := context.Background(), time.Now()
	result.Baseline = heapInUse()
	for i := range n {
		token, err := floodToken(s, i)
		if err != nil {
			return flooded{}, err
		}
		if _, err := decoder.Decode(ctx, token); err != nil {
			return flooded{}, fmt.Errorf("token %d of the flood: %w", i, err)
		}
		for j, probe := range probes {
			if hot := &result.Hot[j]; (i+1)%hot.Every == 0 {
				hit, err := probe.use()
				if err != nil {
					return flooded{}, err
				}
				hot.Uses++
				if hit {
					hot.Hits++
				}
			}
		}
		if (i+1)%(n/floodSteps) == 0 {
			result.Heap = append(result.Heap, heapInUse())
		}
	}
	result.Elapsed = time.Since(start)
	runtime.KeepAlive(decoder)
	return result, nil
}

// floodToken is token number n of the flood; they differ in jti.
func floodToken(s setup, n int) (string, error) {
	return s.keys.mint(s.alg, s.header(), fmt.Appendf(nil,
		`{"iss":%q,"sub":"user-00000","aud":%q,"exp":%d,"iat":%d,"jti":"flood-%09d","tenant":"tenant-0","roles":["reader","editor"]}`,
		issuer, audience, s.born.Add(24*time.Hour).Unix(), s.born.Unix(), n))
}

// hotProbe uses one token and tells hits from misses.
type hotProbe struct {
	decoder *usher.Decoder[usher8]
	token   string
	roles   *string // the slice that the last decoding made
}

// newHotProbe uses its token a hundred times, so that a cache has every reason to keep it.
func newHotProbe(decoder *usher.Decoder[usher8], s setup, n int) (*hotProbe, error) {
	payload, err := s.payload(n)
	if err != nil {
		return nil, err
	}
	token, err := s.keys.mint(s.alg, s.header(), payload)
	if err != nil {
		return nil, err
	}
	probe := &hotProbe{decoder: decoder, token: token}
	for range 100 {
		if _, err := probe.use(); err != nil {
			return nil, err
		}
	}
	return probe, nil
}

func (h *hotProbe) use() (hit bool, err error) {
	claims, err := h.decoder.Decode(context.Background(), h.token)
	if err != nil {
		return false, err
	}
	if len(claims.Roles) == 0 {
		return false, errors.New("the hot token has lost its roles")
	}
	hit = h.roles == &claims.Roles[0]
	h.roles = &claims.Roles[0]
	return hit, nil
}

// heapInUse is HeapAlloc after two collections: the second empties what the pools kept through the first.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
