package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-usher/usher/bench/internal/rounds"
)

// What the main program and one that is alone say to each other (see program.go): first the materials, then questions
// and answers in turn.
type (
	// materials are what the tokens of the run are made of; private keys as PKCS #8.
	materials struct {
		Secret, RSA, ECDSA, Ed []byte
		Born                   time.Time
	}

	// question asks for a sample of a cell, or, where Each is set, to find out how many operations fit into it.
	question struct {
		Set, Name string
		Procs     int
		Each      time.Duration
	}

	answer struct {
		Sample rounds.Sample
		Err    string
	}
)

// serve answers questions until there are no more.
func serve(in io.Reader, out io.Writer) error {
	asked, say := gob.NewDecoder(in), gob.NewEncoder(out)
	var m materials
	if err := asked.Decode(&m); err != nil {
		return err
	}
	k, err := m.keys()
	if err != nil {
		return err
	}
	sets, err := plan(k, m.Born)
	if err != nil {
		return err
	}
	samplers := make(map[question]rounds.Sampler)
	for {
		var q question
		if err := asked.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := q.answer(sets, samplers)
		if err != nil {
			a.Err = err.Error()
		}
		if err := say.Encode(a); err != nil {
			return err
		}
	}
}

// answer does what is asked; samplers are those of the cells that have been asked for.
func (q question) answer(sets []rounds.Set, samplers map[question]rounds.Sampler) (a answer, err error) {
	each := q.Each
	q.Each = 0
	if each == 0 {
		s, ok := samplers[q]
		if !ok {
			return a, fmt.Errorf("%s, %s: not started", q.Set, q.Name)
		}
		a.Sample, err = s.Sample()
		return a, err
	}
	for _, s := range sets {
		i := slices.IndexFunc(s.Cells, func(c rounds.Cell) bool { return c.Name == q.Name && c.Procs == q.Procs })
		if s.ID == q.Set && i >= 0 {
			samplers[q] = s.Cells[i].Sampler()
			return a, samplers[q].Start(each)
		}
	}
	return a, fmt.Errorf("there is no %s with %d cores in %s", q.Name, q.Procs, q.Set)
}

func newMaterials(k *keys, born time.Time) (m materials, err error) {
	m.Secret, m.Born = k.secret, born
	var failed [3]error
	m.RSA, failed[0] = x509.MarshalPKCS8PrivateKey(k.rsa)
	m.ECDSA, failed[1] = x509.MarshalPKCS8PrivateKey(k.ecdsa)
	m.Ed, failed[2] = x509.MarshalPKCS8PrivateKey(k.ed)
	return m, errors.Join(failed[:]...)
}

func (m materials) keys() (*keys, error) {
	k := &keys{secret: m.Secret}
	for _, encoded := range [][]byte{m.RSA, m.ECDSA, m.Ed} {
		key, err := x509.ParsePKCS8PrivateKey(encoded)
		if err != nil {
			return nil, err
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			k.rsa = key
		case *ecdsa.PrivateKey:
			k.ecdsa = key
		case ed25519.PrivateKey:
			k.ed = key
			k.public, _ = key.Public().(ed25519.PublicKey)
		}
	}
	return k, nil
}
