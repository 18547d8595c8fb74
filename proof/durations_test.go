package proof_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
	"github.com/go-usher/usher/keyfile"
	"github.com/go-usher/usher/onetime"
	"github.com/go-usher/usher/session"
)

// constructors have an entry for each struct of options with a duration. Each calls the constructor with options of which
// only one field is set.
func constructors(t *testing.T) map[string]func(set func(options any)) error {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	secret := []byte("a secret of the tests, of 32 bytes or more")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("Zm9yIHRlc3RzIG9ubHksIDQ4IHJhbmRvbSBieXRlcyBpbiBiYXNlNjQ5ODc2"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]func(set func(options any)) error{
		"EncoderOptions": func(set func(any)) error {
			var o usher.EncoderOptions
			set(&o)
			_, err := usher.NewEncoder[usher.Claims](key, &o)
			return err
		},
		"DecoderOptions": func(set func(any)) error {
			var o usher.DecoderOptions
			set(&o)
			_, err := usher.NewDecoder[usher.Claims](key, &o)
			return err
		},
		"ByIssuerOptions": func(set func(any)) error {
			var o usher.ByIssuerOptions
			set(&o)
			_, err := usher.ByIssuerFunc(func(context.Context, string) (usher.Verifier[usher.Claims], error) { return nil, nil }, &o)
			return err
		},
		"session.Config": func(set func(any)) error {
			o := session.Config[usher.Claims]{
				Encoder: usher.Must(usher.NewEncoder[usher.Claims](key, nil)), Store: session.NewMemoryStore(), Secret: secret,
				Claims: func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
			}
			set(&o)
			_, err := session.NewManager(o)
			return err
		},
		"session.ThrottleOptions": func(set func(any)) error {
			var o session.ThrottleOptions
			set(&o)
			_, err := session.NewMemoryThrottle(&o)
			return err
		},
		"session.Limit": func(set func(any)) error {
			o := session.ThrottleOptions{PerAddress: session.Limit{Burst: 5}}
			set(&o.PerAddress)
			_, err := session.NewMemoryThrottle(&o)
			return err
		},
		"onetime.Options": func(set func(any)) error {
			var o onetime.Options
			set(&o)
			_, err := onetime.New(secret, "reset", &o)
			return err
		},
		"jwks.RemoteOptions": func(set func(any)) error {
			var o jwks.RemoteOptions
			set(&o)
			_, err := jwks.NewRemote("https://issuer.example/keys", &o)
			return err
		},
		"jwks.HandlerOptions": func(set func(any)) error {
			var o jwks.HandlerOptions
			set(&o)
			_, err := jwks.Handler(func() usher.Keys { return nil }, &o)
			return err
		},
		"keyfile.Options": func(set func(any)) error {
			var o keyfile.Options
			set(&o)
			_, err := keyfile.Open(file, &o)
			return err
		},
	}
}

// A duration that was written without a unit, such as MaxAge: 3600, is a ConfigError in every option of every constructor.
func TestNoOptionTakesADurationWithoutAUnit(t *testing.T) {
	found := optionsWithDurations(t)
	for name, construct := range constructors(t) {
		fields := found[name]
		delete(found, name)
		if len(fields) == 0 {
			t.Errorf("%s has no durations", name)
		}
		if err := construct(func(any) {}); err != nil && name != "session.Limit" {
			t.Errorf("%s: %v", name, err)
		}
		for _, field := range fields {
			for _, d := range []time.Duration{1, 10, 3600, 86400} {
				err := construct(func(options any) { reflect.ValueOf(options).Elem().FieldByName(field).SetInt(int64(d)) })
				if !errors.As(err, new(*usher.ConfigError)) {
					t.Errorf("%s.%s: %d is taken: %v", name, field, d, err)
				}
			}
		}
	}
	for name, fields := range found {
		t.Errorf("no constructor is tried with %s, which has %q", name, fields)
	}
}

// Structs with durations that are not options: results, contracts of stores, and options that other modules' tests try.
var noOptions = []string{
	"Rejection", "session.Tokens", "session.KindLimits", "session.Rotation", "grpcauth.Options", "connectauth.Options",
}

// optionsWithDurations returns the fields of type time.Duration of each exported struct, by the name of the struct.
func optionsWithDurations(t *testing.T) map[string][]string {
	found := map[string][]string{}
	for _, dir := range []string{".", "session", "jwks", "keyfile", "onetime", "legacyhash", "grpcauth", "connectauth"} {
		files := usher.Must(filepath.Glob(filepath.Join("..", dir, "*.go")))
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file := usher.Must(parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution))
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					return true
				}
				name := spec.Name.Name
				if dir != "." {
					name = dir + "." + name
				}
				if s, ok := spec.Type.(*ast.StructType); ok && !slices.Contains(noOptions, name) {
					for _, field := range s.Fields.List {
						for _, id := range field.Names {
							if isDuration(field.Type) && id.IsExported() {
								found[name] = append(found[name], id.Name)
							}
						}
					}
				}
				return true
			})
		}
	}
	return found
}

func isDuration(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "Duration"
}
