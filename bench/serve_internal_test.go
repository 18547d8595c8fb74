package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// served starts serve on another goroutine, and returns both ends of it and how it ended.
func served(t *testing.T) (ask *gob.Encoder, answers *gob.Decoder, hangUp func() error) {
	t.Helper()
	questions, in := io.Pipe()
	out, replies := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- serve(questions, replies)
		_ = replies.Close()
	}()
	return gob.NewEncoder(in), gob.NewDecoder(out), func() error {
		return errors.Join(in.Close(), <-ended)
	}
}

func testMaterials(t *testing.T, s setup) materials {
	t.Helper()
	m, err := newMaterials(s.keys, s.born)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestServeMeasuresCells(t *testing.T) {
	ask, answers, hangUp := served(t)
	m := testMaterials(t, testSetup(t, "", 0))
	put := func(q question) (a answer) {
		t.Helper()
		if err := errors.Join(ask.Encode(q), answers.Decode(&a)); err != nil {
			t.Fatal(err)
		}
		return a
	}
	if err := ask.Encode(m); err != nil {
		t.Fatal(err)
	}
	q := question{Set: "scaling/HS256/8", Name: nameUsherWarm, Procs: 2}
	start := q
	start.Each = time.Millisecond
	if a := put(start); a.Err != "" {
		t.Fatal(a.Err)
	}
	for range 2 {
		if a := put(q); a.Err != "" || a.Sample.Ns <= 0 || a.Sample.Allocs < 0.9 || a.Sample.Bytes < 300 {
			t.Errorf("%+v", a)
		}
	}
	q.Procs, start.Procs = 3, 3
	for _, q := range []question{q, start} {
		if a := put(q); !strings.Contains(a.Err, nameUsherWarm) {
			t.Errorf("a cell that there is not: %+v", a)
		}
	}
	if err := hangUp(); err != nil {
		t.Error(err)
	}
}

func TestServeEndsWhereNothingCanBeUnderstood(t *testing.T) {
	ask, answers, hangUp := served(t)
	if err := ask.Encode(materials{RSA: []byte("no key")}); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := answers.Decode(&a); err == nil {
		t.Errorf("answered %+v", a)
	}
	if err := hangUp(); err == nil {
		t.Error("ended without an error")
	}
	if err := serve(strings.NewReader("no gob"), io.Discard); err == nil {
		t.Error("ended without an error")
	}
}

func TestMaterialsSurviveTheirEncoding(t *testing.T) {
	s := testSetup(t, "", 8)
	k, err := testMaterials(t, s).keys()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.secret, s.keys.secret) || !k.rsa.Equal(s.keys.rsa) || !k.ecdsa.Equal(s.keys.ecdsa) || !k.ed.Equal(s.keys.ed) ||
		!k.public.Equal(s.keys.public) {
		t.Error("other keys")
	}
}

// Every cell is in the program that it is looked for in: a row whose name no library has would be looked for in usher's.
func TestEveryProgramHasItsCells(t *testing.T) {
	if testing.Short() {
		t.Skip("builds nine programs")
	}
	s := testSetup(t, "", 0)
	sets := testPlan(t, s)
	end, err := startPrograms(t.Context(), sets, testMaterials(t, s), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		for _, c := range s.Cells {
			if c.Absent == "" {
				if err := c.Sampler().Start(time.Microsecond); err != nil {
					t.Errorf("%s, %s: %v", s.ID, c.Name, err)
				}
			}
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
