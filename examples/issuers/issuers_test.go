package issuers_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/examples/issuers"
)

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return usher.Must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	b64    = base64.RawURLEncoding.EncodeToString
)

// site stands in for an issuer: it answers at the issuer's own URLs.
type site map[string]string

func (s site) RoundTrip(r *http.Request) (*http.Response, error) {
	page, ok := s[r.URL.String()]
	status := http.StatusOK
	if !ok {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Request: r, Header: http.Header{"Cache-Control": {"public, max-age=300"}}, Body: io.NopCloser(strings.NewReader(page))}, nil
}

func (s site) client() *http.Client { return &http.Client{Transport: s} }

// discovered is a site with metadata below the issuer's URL.
func discovered(issuer, setURL, set string) site {
	return site{
		strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration": fmt.Sprintf(
			`{"issuer":%q,"jwks_uri":%q,"response_types_supported":["code"],"id_token_signing_alg_values_supported":["RS256"]}`, issuer, setURL),
		setURL: set,
	}
}

// set is a JWK Set.
func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// rsaJWK is the shared RSA key with more members before its numbers.
func rsaJWK(members string) string {
	return fmt.Sprintf(`{"kty":"RSA",%s,"n":%q,"e":"AQAB"}`, members, b64(rsaKey().N.Bytes()))
}

// otherJWK is a key that signs no token here.
func otherJWK(members string) string {
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(123456789))
	return fmt.Sprintf(`{"kty":"RSA",%s,"n":%q,"e":"AQAB"}`, members, b64(n.Bytes()))
}

func ecJWK(members string) string {
	point := usher.Must(ecKey().PublicKey.Bytes())
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256",%s,"x":%q,"y":%q}`, members, b64(point[1:33]), b64(point[33:]))
}

func certificate() string {
	template := &x509.Certificate{SerialNumber: big.NewInt(7)}
	return base64.StdEncoding.EncodeToString(usher.Must(x509.CreateCertificate(rand.Reader, template, template, &rsaKey().PublicKey, rsaKey())))
}

// sign signs a payload of an issuer, as text, with iat, nbf and exp added.
func sign(header, payload string) string {
	now := time.Now().Unix()
	payload = fmt.Sprintf(`{"iat":%d,"nbf":%d,"exp":%d,%s`, now, now, now+300, strings.TrimPrefix(payload, "{"))
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	var key any = rsaKey()
	if strings.Contains(header, "ES256") {
		method, key = jwt.SigningMethodES256, ecKey()
	}
	return input + "." + b64(usher.Must(method.Sign(input, key)))
}

// rs256 is the header that most of them have.
const rs256 = `{"alg":"RS256","typ":"JWT","kid":"k1"}`

// accept verifies a token, and runs the middleware's user function if there is one.
func accept[C any](v usher.Verifier[C], user func(context.Context, *C) (*C, error), token string) (*C, error) {
	c, err := v.Decode(context.Background(), token)
	if err == nil && user != nil {
		return user(context.Background(), c)
	}
	return c, err
}

// verdict is what the table below asks of each issuer: what was read, or why it was refused.
type verdict func(token string) (read string, err error)

func reading[C any](v usher.Verifier[C], err error, user func(context.Context, *C) (*C, error), read func(*C) string) verdict {
	return func(token string) (string, error) {
		if err != nil {
			return "", err
		}
		c, err := accept(v, user, token)
		if err != nil {
			return "", err
		}
		return read(c), nil
	}
}

func TestEachIssuersTokenIsReadAndOthersAreRefused(t *testing.T) {
	const (
		tenant   = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
		entraIss = "https://login.microsoftonline.com/" + tenant + "/v2.0"
		pool     = "eu-west-1_AbCdEf123"
		poolIss  = "https://cognito-idp.eu-west-1.amazonaws.com/" + pool
		okta     = "https://example.okta.com/oauth2/default"
		clerk    = "https://clerk.example.com"
		supabase = "https://abcdefghij.supabase.co/auth/v1"
		realm    = "https://sso.example.com/realms/shop"
		cluster  = "https://kubernetes.default.svc.cluster.local"
	)
	auth0 := usher.Must(issuers.Auth0(discovered("https://example.eu.auth0.com/", "https://example.eu.auth0.com/.well-known/jwks.json",
		set(rsaJWK(`"use":"sig","alg":"RS256","kid":"k1","x5t":"abc","x5c":["`+certificate()+`"]`), otherJWK(`"use":"sig","alg":"RS256","kid":"k2"`))).client(),
		"example.eu.auth0.com", "https://api.example.com"))
	keycloak := usher.Must(issuers.Keycloak(discovered(realm, realm+"/protocol/openid-connect/certs",
		set(otherJWK(`"kid":"k0","alg":"RSA-OAEP","use":"enc"`), rsaJWK(`"kid":"k1","alg":"RS256","use":"sig","x5t#S256":"abc"`))).client(), realm, "shop-api"))
	entraSite := discovered(entraIss, "https://login.microsoftonline.com/"+tenant+"/discovery/v2.0/keys",
		set(otherJWK(`"use":"sig","kid":"k0","x5t":"k0","issuer":"`+entraIss+`"`), rsaJWK(`"use":"sig","kid":"k1","x5t":"k1","x5c":["`+certificate()+`"],"cloud_instance_name":"microsoftonline.com","issuer":"`+entraIss+`"`)))
	entra := usher.Must(issuers.Entra(entraSite.client(), tenant, "6e74172b-be56-4843-9ff4-e66a39bb12e3"))
	tenants := usher.Must(issuers.EntraTenants(entraSite.client(), []string{tenant, "72f988bf-86f1-41af-91ab-2d7cd011db47"}, "6e74172b-be56-4843-9ff4-e66a39bb12e3"))
	cognito := usher.Must(issuers.Cognito(discovered(poolIss, poolIss+"/.well-known/jwks.json",
		set(rsaJWK(`"alg":"RS256","kid":"k1","use":"sig"`), otherJWK(`"alg":"RS256","kid":"k2","use":"sig"`))).client(), "eu-west-1", pool))
	google := usher.Must(issuers.Google(discovered("https://accounts.google.com", "https://www.googleapis.com/oauth2/v3/certs",
		set(rsaJWK(`"kid":"k1","alg":"RS256","use":"sig"`), otherJWK(`"kid":"k2","alg":"RS256","use":"sig"`))).client(), "1234.apps.googleusercontent.com"))
	firebase := usher.Must(issuers.Firebase(discovered("https://securetoken.google.com/shop-12345", "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
		set(rsaJWK(`"kid":"k1","alg":"RS256","use":"sig"`))).client(), "shop-12345"))
	oktaDecoder := usher.Must(issuers.Okta(discovered(okta, okta+"/v1/keys", set(rsaJWK(`"alg":"RS256","kid":"k1","use":"sig"`))).client(), okta, "api://default"))
	apple := usher.Must(issuers.Apple(discovered("https://appleid.apple.com", "https://appleid.apple.com/auth/keys",
		set(rsaJWK(`"kid":"k1","use":"sig","alg":"RS256"`), otherJWK(`"kid":"k2","use":"sig","alg":"RS256"`))).client(), "com.example.shop"))
	github := usher.Must(issuers.GitHub(discovered("https://token.actions.githubusercontent.com", "https://token.actions.githubusercontent.com/.well-known/jwks",
		set(rsaJWK(`"alg":"RS256","kid":"k1","use":"sig","x5t":"k1"`))).client(), "https://deploy.example.com"))
	kubernetes := usher.Must(issuers.Kubernetes(site{"https://kubernetes.default.svc/openid/v1/jwks": set(rsaJWK(`"use":"sig","kid":"k1","alg":"RS256"`))}.client(), cluster, "shop-api"))
	supabaseDecoder := usher.Must(issuers.Supabase(site{supabase + "/.well-known/jwks.json": set(ecJWK(`"alg":"ES256","kid":"k1","use":"sig","key_ops":["verify"],"ext":true`))}.client(), "abcdefghij"))
	clerkDecoder := usher.Must(issuers.Clerk(site{clerk + "/.well-known/jwks.json": set(rsaJWK(`"use":"sig","kid":"k1","alg":"RS256"`))}.client(), clerk))

	for _, c := range []struct {
		name            string
		verdict         verdict
		header, payload string
		read            string // of the good token
		wrong           map[string]error
	}{
		{
			"Auth0",
			reading(auth0, nil, nil, func(c *issuers.Auth0Claims) string {
				return fmt.Sprint(c.Subject, c.Permissions, c.Client, c.HasScope("openid"))
			}),
			`{"alg":"RS256","typ":"JWT","kid":"k1"}`,
			`{"iss":"https://example.eu.auth0.com/","sub":"auth0|5f7c8","aud":["https://api.example.com","https://example.eu.auth0.com/userinfo"],"azp":"my_client","scope":"openid profile","permissions":["read:posts"]}`,
			"auth0|5f7c8[read:posts]my_clienttrue",
			map[string]error{
				`"iss":"https://example.eu.auth0.com"`: usher.ErrTokenIssuer,   // without the slash
				`"aud":"my_client"`:                    usher.ErrTokenAudience, // an ID token
			},
		},
		{
			"Keycloak",
			reading(keycloak, nil, nil, func(c *issuers.KeycloakClaims) string {
				return fmt.Sprint(c.Subject, c.RealmAccess.Roles, c.ResourceAccess["account"].Roles, c.SessionID)
			}),
			rs256,
			`{"iss":"` + realm + `","aud":["shop-api","account"],"sub":"f2b1","typ":"Bearer","azp":"shop-web","sid":"s1","acr":"1","realm_access":{"roles":["admin"]},"resource_access":{"account":{"roles":["view-profile"]}},"scope":"openid email","preferred_username":"ada"}`,
			"f2b1[admin] [view-profile]s1",
			map[string]error{`"typ":"ID"`: usher.ErrTokenType, `"aud":"account"`: usher.ErrTokenAudience, `"iss":"` + realm + `2"`: usher.ErrTokenIssuer},
		},
		{
			"Entra, one tenant",
			reading(entra, nil, nil, func(c *issuers.EntraClaims) string {
				return fmt.Sprint(c.Object, c.Tenant, c.HasScope("Posts.Read"), c.HasScope("Posts"), c.Roles)
			}),
			`{"typ":"JWT","alg":"RS256","kid":"k1"}`,
			`{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"` + entraIss + `","azp":"a1","azpacr":"0","oid":"690222be","scp":"Posts.Read User.Read","roles":["Editor"],"sub":"HKZpfaHyWadeOouYlitjrI","tid":"` + tenant + `","ver":"2.0"}`,
			"690222be" + tenant + "true false [Editor]",
			map[string]error{
				`"iss":"https://sts.windows.net/` + tenant + `/"`:    usher.ErrTokenIssuer,   // version 1.0
				`"aud":"00000003-0000-0000-c000-000000000000"`:       usher.ErrTokenAudience, // Microsoft Graph
				`"iss":"https://login.microsoftonline.com/x/v2.0"`:   usher.ErrTokenIssuer,
				`"aud":"api://6e74172b-be56-4843-9ff4-e66a39bb12e3"`: usher.ErrTokenAudience,
			},
		},
		{
			"Entra, several tenants",
			reading(tenants, nil, nil, func(c *issuers.EntraClaims) string { return c.Tenant }),
			rs256,
			`{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3","iss":"` + entraIss + `","sub":"HKZ","tid":"` + tenant + `","ver":"2.0"}`,
			tenant,
			map[string]error{`"iss":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"`: usher.ErrTokenIssuer},
		},
		{
			"Cognito",
			reading(cognito, nil, issuers.CognitoUser("client1"), func(c *issuers.CognitoClaims) string {
				return fmt.Sprint(c.Subject, c.Groups, c.Name, c.HasScope("aws.cognito.signin.user.admin"))
			}),
			`{"kid":"k1","alg":"RS256"}`,
			`{"sub":"aaaa-bbbb","cognito:groups":["admins"],"iss":"` + poolIss + `","version":2,"client_id":"client1","origin_jti":"o","token_use":"access","scope":"aws.cognito.signin.user.admin","auth_time":1700000000,"jti":"j","username":"ada"}`,
			"aaaa-bbbb[admins]adatrue",
			map[string]error{`"token_use":"id"`: usher.ErrTokenType, `"client_id":"client2"`: usher.ErrTokenAudience, `"aud":"client1"`: usher.ErrTokenAudience},
		},
		{
			"Google",
			reading(google, nil, nil, func(c *issuers.GoogleClaims) string {
				return fmt.Sprint(c.Subject, c.Email, c.EmailVerified, c.HostedDomain)
			}),
			rs256,
			`{"iss":"https://accounts.google.com","azp":"1234.apps.googleusercontent.com","aud":"1234.apps.googleusercontent.com","sub":"10769150350006150715113082367","email":"ada@example.com","email_verified":true,"hd":"example.com"}`,
			"10769150350006150715113082367ada@example.comtrueexample.com",
			map[string]error{`"aud":"5678.apps.googleusercontent.com"`: usher.ErrTokenAudience, `"iss":"accounts.google.com"`: nil, `"iss":"https://accounts.google.com/"`: usher.ErrTokenIssuer},
		},
		{
			"Firebase",
			reading(firebase, nil, nil, func(c *issuers.FirebaseClaims) string { return fmt.Sprint(c.Subject, c.Firebase.Provider) }),
			rs256,
			`{"iss":"https://securetoken.google.com/shop-12345","aud":"shop-12345","auth_time":1700000000,"user_id":"u1","sub":"u1","email":"ada@example.com","email_verified":false,"firebase":{"identities":{"email":["ada@example.com"]},"sign_in_provider":"password"}}`,
			"u1password",
			map[string]error{`"aud":"other-project"`: usher.ErrTokenAudience, `"iss":"https://session.firebase.google.com/shop-12345"`: usher.ErrTokenIssuer, `"sub":""`: usher.ErrTokenClaims},
		},
		{
			"Okta",
			reading(oktaDecoder, nil, nil, func(c *issuers.OktaClaims) string {
				return fmt.Sprint(c.Subject, c.HasScope("email"), c.HasScope("posts"), c.Groups)
			}),
			`{"kid":"k1","alg":"RS256"}`,
			`{"ver":1,"jti":"AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE","iss":"` + okta + `","aud":"api://default","cid":"0oa","uid":"00u","scp":["openid","email"],"auth_time":1700000000,"sub":"ada@example.com","groups":["Everyone"]}`,
			"ada@example.comtrue false [Everyone]",
			map[string]error{`"iss":"https://example.okta.com"`: usher.ErrTokenIssuer, `"aud":"https://example.okta.com"`: usher.ErrTokenAudience},
		},
		{
			"Apple",
			reading(apple, nil, nil, func(c *issuers.AppleClaims) string { return fmt.Sprint(c.Subject, c.EmailVerified, c.IsPrivateEmail) }),
			`{"kid":"k1","alg":"RS256"}`,
			`{"iss":"https://appleid.apple.com","aud":"com.example.shop","sub":"000123.abc.0456","c_hash":"h","email":"x@privaterelay.appleid.com","email_verified":"true","is_private_email":true,"auth_time":1700000000,"nonce_supported":true}`,
			"000123.abc.0456true true",
			map[string]error{`"aud":"com.example.other"`: usher.ErrTokenAudience, `"email_verified":"maybe"`: usher.ErrTokenClaims},
		},
		{
			"GitHub Actions",
			reading(github, nil, issuers.GitHubUser("65", "octo-org/octo-repo", "refs/heads/main"), func(c *issuers.GitHubClaims) string { return c.Subject }),
			`{"typ":"JWT","alg":"RS256","x5t":"k1","kid":"k1"}`,
			`{"jti":"j","sub":"repo:octo-org/octo-repo:environment:prod","environment":"prod","aud":"https://deploy.example.com","ref":"refs/heads/main","repository":"octo-org/octo-repo","repository_owner":"octo-org","repository_owner_id":"65","actor":"octocat","job_workflow_ref":"octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main","iss":"https://token.actions.githubusercontent.com"}`,
			"repo:octo-org/octo-repo:environment:prod",
			map[string]error{`"repository":"octo-org/evil"`: usher.ErrForbidden, `"ref":"refs/pull/1/merge"`: usher.ErrForbidden, `"repository_owner_id":"66"`: usher.ErrForbidden, `"aud":"https://github.com/octo-org"`: usher.ErrTokenAudience},
		},
		{
			"Kubernetes",
			reading(kubernetes, nil, nil, func(c *issuers.KubernetesClaims) string {
				return fmt.Sprint(c.Subject, c.Kubernetes.Namespace, c.Kubernetes.ServiceAccount.Name)
			}),
			`{"alg":"RS256","kid":"k1"}`,
			`{"aud":["shop-api"],"iss":"` + cluster + `","jti":"j","kubernetes.io":{"namespace":"shop","node":{"name":"n1","uid":"u"},"pod":{"name":"web-1","uid":"u"},"serviceaccount":{"name":"web","uid":"u"}},"sub":"system:serviceaccount:shop:web"}`,
			"system:serviceaccount:shop:webshopweb",
			map[string]error{`"aud":["` + cluster + `"]`: usher.ErrTokenAudience},
		},
		{
			"Supabase",
			reading(supabaseDecoder, nil, nil, func(c *issuers.SupabaseClaims) string {
				return fmt.Sprint(c.Subject, c.Role, c.Session, c.Assurance, c.Anonymous)
			}),
			`{"alg":"ES256","kid":"k1","typ":"JWT"}`,
			`{"iss":"` + supabase + `","aud":"authenticated","sub":"123e4567-e89b-12d3-a456-426614174000","role":"authenticated","aal":"aal1","session_id":"s1","email":"ada@example.com","phone":"","is_anonymous":false,"amr":[{"method":"password","timestamp":1700000000}],"app_metadata":{},"user_metadata":{}}`,
			"123e4567-e89b-12d3-a456-426614174000authenticateds1aal1false",
			map[string]error{`"aud":"anon"`: usher.ErrTokenAudience},
		},
		{
			"Clerk",
			reading(clerkDecoder, nil, issuers.ClerkUser("https://app.example.com"), func(c *issuers.ClerkClaims) string {
				return fmt.Sprint(c.Subject, c.SessionID, c.Organization.Role)
			}),
			`{"alg":"RS256","cat":"cl_B7d4PD111AAA","kid":"k1","typ":"JWT"}`,
			`{"azp":"https://app.example.com","fva":[4,-1],"iss":"` + clerk + `","jti":"j","sid":"sess_1","sts":"active","sub":"user_1","v":2,"o":{"id":"org_1","rol":"admin","slg":"shop"}}`,
			"user_1sess_1admin",
			map[string]error{`"azp":"https://evil.example.com"`: usher.ErrTokenAudience},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if read, err := c.verdict(sign(c.header, c.payload)); err != nil || read != c.read {
				t.Errorf("its token is read as %q, %v", read, err)
			}
			if _, err := c.verdict(sign(strings.Replace(c.header, `"kid":"k1"`, `"kid":"k9"`, 1), c.payload)); !errors.Is(err, usher.ErrUnknownKey) {
				t.Errorf("a token of an unknown key: %v", err)
			}
			for member, want := range c.wrong {
				if _, err := c.verdict(sign(c.header, with(t, c.payload, member))); !errors.Is(err, want) {
					t.Errorf("with %s: %v instead of %v", member, err, want)
				}
			}
		})
	}
}

// with returns the payload with another value of a member, which it may lack.
func with(t *testing.T, payload, member string) string {
	t.Helper()
	name, _, _ := strings.Cut(member, ":")
	old := regexp.MustCompile(regexp.QuoteMeta(name) + `:("[^"]*"|\[[^\]]*\])`)
	switch matches := old.FindAllString(payload, -1); len(matches) {
	case 0:
		return "{" + member + "," + payload[1:]
	case 1:
		return strings.Replace(payload, matches[0], member, 1)
	}
	t.Fatalf("%s is not unique in %s", name, payload)
	return ""
}

func TestALoadBalancersHeaderIsReadByGolangJWT(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: usher.Must(x509.MarshalPKIXPublicKey(&ecKey().PublicKey))})
	alb := issuers.ALB{ARN: arn, Now: time.Now, Key: func(_ context.Context, kid string) ([]byte, error) {
		if kid != "k1" {
			return nil, errors.New("no such key")
		}
		return public, nil
	}}
	token := func(kid, signer string, exp time.Time) string {
		padded := base64.URLEncoding.EncodeToString
		header := fmt.Sprintf(`{"typ":"JWT","kid":%q,"alg":"ES256","iss":"https://sso.example.com","client":"c1","signer":%q,"exp":%d}`, kid, signer, exp.Unix())
		payload := fmt.Sprintf(`{"sub":"ada","email":"ada@example.com","exp":%d,"iss":"https://sso.example.com"}`, exp.Unix())
		input := padded([]byte(header)) + "." + padded([]byte(payload))
		return input + "." + padded(usher.Must(jwt.SigningMethodES256.Sign(input, ecKey())))
	}
	soon := time.Now().Add(2 * time.Minute)
	claims, err := alb.Decode(t.Context(), token("k1", arn, soon))
	if err != nil || claims.Subject != "ada" || claims.Email != "ada@example.com" || claims.ExpiresAt.Unix() != soon.Unix() {
		t.Errorf("its header is read as %+v, %v", claims, err)
	}
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"another load balancer": {token("k1", arn+"x", soon), usher.ErrInvalidToken},
		"an expired header":     {token("k1", arn, time.Now().Add(-time.Minute)), jwt.ErrTokenExpired},
		"keys out of reach":     {token("k2", arn, soon), usher.ErrUnavailable},
		"another alg":           {sign(rs256, `{"sub":"ada"}`), usher.ErrInvalidToken},
	} {
		if _, err := alb.Decode(t.Context(), c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEntrasTenantsComeAndGo lets one tenant leave and another become a customer, while the database fails now and then.
func TestEntrasTenantsComeAndGo(t *testing.T) {
	const clientID, host = "6e74172b-be56-4843-9ff4-e66a39bb12e3", "https://login.microsoftonline.com/"
	const ada, bob, eve = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "72f988bf-86f1-41af-91ab-2d7cd011db47", "9188040d-6c67-4c5b-b112-36a304b66dad"
	rsaKey() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		pages := site{}
		for _, tenant := range []string{ada, bob, eve} {
			maps.Copy(pages, discovered(host+tenant+"/v2.0", host+tenant+"/discovery/v2.0/keys", set(rsaJWK(`"use":"sig","kid":"k1"`))))
		}
		customers, down, asked := map[string]bool{ada: true}, false, map[string]int{}
		verifier := usher.Must(issuers.EntraCustomers(pages.client(), func(_ context.Context, tenant string) (bool, error) {
			asked[tenant]++
			if down {
				return false, errors.New("the database is down")
			}
			return customers[tenant], nil
		}, clientID))
		expect := func(what, issuer string, want error) {
			t.Helper()
			token := sign(rs256, `{"aud":"`+clientID+`","iss":"`+issuer+`","sub":"HKZ","tid":"x","ver":"2.0"}`)
			if _, err := verifier.Decode(t.Context(), token); !errors.Is(err, want) {
				t.Errorf("%s: %v instead of %v", what, err, want)
			}
			synctest.Wait() // what is asked behind the request is over
		}
		of := func(tenant string) string { return host + tenant + "/v2.0" }

		expect("a customer", of(ada), nil)
		expect("the customer again", of(ada), nil)
		for range 5 {
			expect("a stranger", of(eve), usher.ErrTokenIssuer)
			expect("one who will be a customer", of(bob), usher.ErrTokenIssuer)
			expect("version 1.0", "https://sts.windows.net/"+ada+"/", usher.ErrTokenIssuer)
			expect("a tenant and more", of(ada+"/x"), usher.ErrTokenIssuer)
		}
		customers[bob] = true
		if want := map[string]int{ada: 1, bob: 1, eve: 1, ada + "/x": 1}; !maps.Equal(asked, want) {
			t.Errorf("the database was asked %v", asked)
		}
		for range 5 {
			<-time.After(4 * time.Minute)
			expect("the customer", of(ada), nil)
		}
		expect("a new customer", of(bob), nil)

		down = true
		expect("the customer, without the database", of(ada), nil)
		for range 9 { // an hour
			<-time.After(5 * time.Minute)
			expect("the customer, without the database", of(ada), nil)
			expect("the other customer, without the database", of(bob), nil)
		}
		expect("a stranger, without the database", of(eve), usher.ErrUnavailable)
		down = false
		delete(customers, ada)
		refused := 0
		for range 13 {
			<-time.After(5 * time.Minute)
			token := sign(rs256, `{"aud":"`+clientID+`","iss":"`+of(ada)+`","sub":"HKZ","ver":"2.0"}`)
			if _, err := verifier.Decode(t.Context(), token); errors.Is(err, usher.ErrTokenIssuer) {
				refused++
			}
			expect("the customer who stays", of(bob), nil)
		}
		if refused == 0 {
			t.Error("a tenant that left is accepted for more than an hour")
		}
	})
}

// TestThePageShowsTheseLines holds docs/issuers.md to the functions and types that are tested here.
func TestThePageShowsTheseLines(t *testing.T) {
	page := usher.Must(os.ReadFile("../../docs/issuers.md"))
	for _, name := range []string{"issuers.go", "alb.go"} {
		source := string(usher.Must(os.ReadFile(name)))
		for _, block := range regexp.MustCompile(`(?ms)^(?:func|type) [^\n]*(?:[^{]\n|}\n|{\n.*?^}$)`).FindAllString(source, -1) {
			if !bytes.Contains(page, []byte(block)) {
				first, _, _ := strings.Cut(block, "\n")
				t.Errorf("docs/issuers.md does not have %s", first)
			}
		}
	}
}
