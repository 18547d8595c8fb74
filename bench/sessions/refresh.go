package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/bench/internal/rounds"
	"github.com/go-usher/usher/session"
)

// What is measured of each store.
const (
	opRefresh = "refresh"
	opCheck   = "Check"
)

// claims are an application's: one of its own beside the registered ones.
type claims struct {
	usher.Claims
	Role string `json:"role"`
}

// userAgent is as long as those of today's browsers.
const userAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

func newManager(s session.Store) (*session.Manager[claims], error) {
	key, err := usher.GenerateKey("HS256")
	if err != nil {
		return nil, err
	}
	encoder, err := usher.NewEncoder[claims](key, nil)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return session.NewManager(session.Config[claims]{
		Encoder: encoder,
		Store:   s,
		Claims:  func(context.Context, session.Grant) (claims, error) { return claims{Role: "reader"}, nil },
		Secret:  secret,
	})
}

// sets are the store's cells, a set for each number of clients.
func (o *opened) sets(ctx context.Context, s store) ([]rounds.Set, error) {
	m, err := newManager(o.Store)
	if err != nil {
		return nil, err
	}
	var sets []rounds.Set
	for _, n := range clients {
		set := rounds.Set{ID: setID(s.name, n), Cells: []rounds.Cell{
			cell(opRefresh, n, numbered(func(client int) (rounds.Op, error) {
				subject := fmt.Sprintf("user-%d-of-%d", client, n)
				tokens, err := m.Start(ctx, subject, session.About{UserAgent: userAgent})
				if err != nil {
					return nil, err
				}
				return func() (err error) {
					tokens, err = m.Refresh(ctx, tokens.RefreshToken)
					return err
				}, startOthers(ctx, m, subject)
			})),
			cell(opCheck, n, numbered(func(client int) (rounds.Op, error) {
				subject := fmt.Sprintf("checked-%d-of-%d", client, n)
				tokens, err := m.Start(ctx, subject, session.About{UserAgent: userAgent})
				token := &usher.Claims{Subject: subject, SessionID: tokens.SessionID}
				return func() error { return m.Check(ctx, token) }, err
			})),
		}}
		for _, raw := range o.raw {
			set.Cells = append(set.Cells, cell(raw.name, n, numbered(raw.prepare)))
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// others is how many sessions lie between those of two clients: as in real life, the sessions that are refreshed at
// the same time are not neighbours in a page of the database.
const others = 300

func startOthers(ctx context.Context, m *session.Manager[claims], after string) error {
	const workers = 16
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < others && errs[w] == nil; i += workers {
				_, errs[w] = m.Start(ctx, fmt.Sprintf("%s-%d", after, i), session.About{UserAgent: userAgent})
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// numbered gives each client its number.
func numbered(prepare func(n int) (rounds.Op, error)) rounds.Ops {
	n := -1
	return func() (rounds.Op, error) {
		n++
		return prepare(n)
	}
}
