package attack_test

import (
	"errors"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/proof/attack"
)

func TestEveryAttackIsRefusedAndEveryHonestTokenAccepted(t *testing.T) {
	cases, err := attack.Generate()
	if err != nil {
		t.Fatal(err)
	}
	judge := attack.NewJudge()
	t.Cleanup(judge.Close)

	byClass := map[attack.Class][]attack.Case{}
	for _, c := range cases {
		byClass[c.Class] = append(byClass[c.Class], c)
	}
	if len(byClass) != len(attack.Classes()) {
		t.Errorf("there are cases of %d classes, but %d are listed", len(byClass), len(attack.Classes()))
	}
	for _, class := range attack.Classes() {
		t.Run(string(class), func(t *testing.T) {
			if len(byClass[class]) == 0 {
				t.Fatal("there are no cases")
			}
			for _, c := range byClass[class] {
				if c.Name == "" || c.Section == "" {
					t.Errorf("%v lacks a name or the section that decides", c)
				}
				if err := judge.Decode(t.Context(), c); err != nil {
					t.Error(err)
				}
				if err := judge.HTTP(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if len(cases) < 700 {
		t.Errorf("there are only %d cases", len(cases))
	}
}

func TestEveryKeySetGetsItsVerdict(t *testing.T) {
	cases, err := attack.KeySetCases()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := attack.NewSetJudge()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(judge.Close)
	counts := map[attack.SetVerdict]int{}
	for _, c := range cases {
		counts[c.Want]++
		if c.Name == "" || c.Section == "" {
			t.Errorf("%v lacks a name or the section that decides", c)
		}
		if err := judge.Judge(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d cases: %v", len(cases), counts)
	if counts[attack.SetAccepted] < 50 || counts[attack.SetSkipped] < 150 || counts[attack.SetRefused] < 200 {
		t.Errorf("there are only %v", counts)
	}
}

// The second wall against key confusion: a public key can't even be configured as a secret, where it can be told.
func TestPublicKeysAreNoSecrets(t *testing.T) {
	tellable := map[string]bool{
		"PKIX DER": true, "PKIX PEM": true, "PKIX PEM without its last line feed": true, "PKIX PEM with CRLF": true, "PKIX PEM in one line": true,
		"PKCS #1 DER": true, "PKCS #1 PEM": true, "JWK": true, "JWK with kty first": true, "JWK set": true,
	}
	cases, err := attack.Generate(attack.Confusion)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if c.Class != attack.Confusion || seen[c.House.Name] {
			continue
		}
		seen[c.House.Name] = true
		for alg, key := range c.House.Material {
			if _, secret := key.([]byte); secret {
				continue
			}
			for form, text := range attack.PublicKeyForms(key) {
				if !tellable[form] {
					continue
				}
				_, err := usher.NewKey(usher.HS256, text)
				var mistake *usher.ConfigError
				if !errors.As(err, &mistake) {
					t.Errorf("NewKey takes a public %s key as a secret: %s", alg, form)
				}
				if _, err = usher.DangerouslyShortKey(usher.HS256, text); !errors.As(err, &mistake) {
					t.Errorf("DangerouslyShortKey takes a public %s key as a secret: %s", alg, form)
				}
			}
		}
	}
}
