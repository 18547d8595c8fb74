// Package issuers verifies the tokens of well-known issuers. Each has a function and a claims type, which docs/issuers.md
// shows. The functions take an HTTP client for tests with a stand-in for the issuer; nil is the default client.
package issuers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/jwks"
)

// Auth0Claims are the claims of an access token for an API.
type Auth0Claims struct {
	usher.Claims
	Permissions []string `json:"permissions"` // with RBAC and "Add Permissions in the Access Token"
	Client      string   `json:"azp"`
}

// Auth0 accepts access tokens for an API of a tenant, such as "example.eu.auth0.com".
func Auth0(client *http.Client, domain, api string) (*usher.Decoder[Auth0Claims], error) {
	issuer := "https://" + domain + "/" // with the slash
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[Auth0Claims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{api}, CacheSize: 10_000,
	})
}

// KeycloakClaims are the claims of an access token.
type KeycloakClaims struct {
	usher.Claims
	Kind        string `json:"typ"` // Bearer; an ID token has ID
	Client      string `json:"azp"`
	Name        string `json:"preferred_username"`
	RealmAccess struct {
		Roles []string `json:"roles"`
	} `json:"realm_access"`
	ResourceAccess map[string]struct {
		Roles []string `json:"roles"`
	} `json:"resource_access"`
}

// Validate refuses ID tokens, which the same key signs.
func (c *KeycloakClaims) Validate() error {
	if c.Kind != "Bearer" {
		return usher.ErrTokenType
	}
	return nil
}

// Keycloak accepts access tokens of a realm, such as "https://sso.example.com/realms/shop".
func Keycloak(client *http.Client, realm, audience string) (*usher.Decoder[KeycloakClaims], error) {
	keys, err := jwks.NewIssuer(realm, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[KeycloakClaims](keys, &usher.DecoderOptions{
		Issuer: realm, Audience: usher.Audience{audience}, CacheSize: 10_000,
	})
}

// EntraClaims are the claims of an access token of version 2.0.
type EntraClaims struct {
	usher.Claims
	Tenant  string   `json:"tid"`
	Object  string   `json:"oid"` // the user, the same in all applications of a tenant
	Scopes  string   `json:"scp"` // of a user's token
	Roles   []string `json:"roles"`
	Version string   `json:"ver"`
}

// HasScope reads scp, which is what Entra calls scope.
func (c EntraClaims) HasScope(scope string) bool {
	return slices.Contains(strings.Fields(c.Scopes), scope)
}

// Entra accepts access tokens of one tenant for the application with this client ID.
func Entra(client *http.Client, tenant, clientID string) (*usher.Decoder[EntraClaims], error) {
	issuer := "https://login.microsoftonline.com/" + tenant + "/v2.0"
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{
		Client: client, // keys have no alg and get RS256, which Entra signs with
	})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[EntraClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{clientID}, CacheSize: 10_000,
	})
}

// EntraTenants accepts access tokens of several tenants, each verified by its own keys and issuer.
func EntraTenants(client *http.Client, tenants []string, clientID string) (usher.Verifier[EntraClaims], error) {
	verifiers := make(map[string]usher.Verifier[EntraClaims])
	for _, tenant := range tenants {
		decoder, err := Entra(client, tenant, clientID)
		if err != nil {
			return nil, err
		}
		verifiers["https://login.microsoftonline.com/"+tenant+"/v2.0"] = decoder
	}
	return usher.ByIssuer(verifiers)
}

// EntraCustomers accepts access tokens of the tenants that isCustomer finds in your table. Tenants may come and go.
func EntraCustomers(client *http.Client, isCustomer func(ctx context.Context, tenant string) (bool, error), clientID string) (usher.Verifier[EntraClaims], error) {
	return usher.ByIssuerFunc(func(ctx context.Context, issuer string) (usher.Verifier[EntraClaims], error) {
		tenant := strings.TrimSuffix(strings.TrimPrefix(issuer, "https://login.microsoftonline.com/"), "/v2.0")
		if issuer != "https://login.microsoftonline.com/"+tenant+"/v2.0" {
			return nil, usher.ErrTokenIssuer
		}
		customer, err := isCustomer(ctx, tenant)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", usher.ErrUnavailable, err)
		}
		if !customer {
			return nil, usher.ErrTokenIssuer
		}
		return Entra(client, tenant, clientID)
	}, nil)
}

// CognitoClaims are the claims of an access token.
type CognitoClaims struct {
	usher.Claims
	Use    string   `json:"token_use"` // access; an ID token has id
	Client string   `json:"client_id"`
	Groups []string `json:"cognito:groups"`
	Name   string   `json:"username"`
}

// Cognito accepts access tokens of a user pool, such as "eu-west-1_AbCdEf123". They have no aud, so use CognitoUser as the
// middleware's user function.
func Cognito(client *http.Client, region, pool string) (*usher.Decoder[CognitoClaims], error) {
	issuer := "https://cognito-idp." + region + ".amazonaws.com/" + pool
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[CognitoClaims](keys, &usher.DecoderOptions{Issuer: issuer, CacheSize: 10_000})
}

// CognitoUser refuses ID tokens and tokens of other clients.
func CognitoUser(clientIDs ...string) func(context.Context, *CognitoClaims) (*CognitoClaims, error) {
	return func(_ context.Context, c *CognitoClaims) (*CognitoClaims, error) {
		if c.Use != "access" {
			return nil, usher.ErrTokenType
		}
		if !slices.Contains(clientIDs, c.Client) {
			return nil, usher.ErrTokenAudience
		}
		return c, nil
	}
}

// GoogleClaims are the claims of an ID token.
type GoogleClaims struct {
	usher.Claims
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	HostedDomain  string `json:"hd"` // of a Workspace; "" for other accounts
}

// Google accepts ID tokens for a client ID. Google has two names as an issuer.
func Google(client *http.Client, clientID string) (usher.Verifier[GoogleClaims], error) {
	keys, err := jwks.NewIssuer("https://accounts.google.com", &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	verifiers := make(map[string]usher.Verifier[GoogleClaims])
	for _, issuer := range []string{"https://accounts.google.com", "accounts.google.com"} {
		verifiers[issuer], err = usher.NewDecoder[GoogleClaims](keys, &usher.DecoderOptions{
			Issuer: issuer, Audience: usher.Audience{clientID}, CacheSize: 10_000,
		})
		if err != nil {
			return nil, err
		}
	}
	return usher.ByIssuer(verifiers)
}

// FirebaseClaims are the claims of an ID token.
type FirebaseClaims struct {
	usher.Claims
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Firebase      struct {
		Provider string `json:"sign_in_provider"` // "anonymous" is not a login
	} `json:"firebase"`
}

// Firebase accepts ID tokens of a project.
func Firebase(client *http.Client, project string) (*usher.Decoder[FirebaseClaims], error) {
	issuer := "https://securetoken.google.com/" + project
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[FirebaseClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{project}, CacheSize: 10_000,
	})
}

// OktaClaims are the claims of an access token of a custom authorization server.
type OktaClaims struct {
	usher.Claims
	Scopes []string `json:"scp"` // a list
	Client string   `json:"cid"`
	User   string   `json:"uid"` // absent if a client acts for itself
	Groups []string `json:"groups"`
}

// HasScope reads scp, which is what Okta calls scope.
func (c OktaClaims) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Okta accepts access tokens of a custom authorization server, such as "https://example.okta.com/oauth2/default".
func Okta(client *http.Client, issuer, audience string) (*usher.Decoder[OktaClaims], error) {
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[OktaClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{audience}, CacheSize: 10_000,
	})
}

// Flag is a boolean that some issuers write as text.
type Flag bool

// UnmarshalJSON reads true and "true".
func (f *Flag) UnmarshalJSON(text []byte) error {
	var b bool
	err := json.Unmarshal([]byte(strings.Trim(string(text), `"`)), &b)
	*f = Flag(b)
	return err
}

// AppleClaims are the claims of an ID token of Sign in with Apple.
type AppleClaims struct {
	usher.Claims
	Email          string `json:"email"`
	EmailVerified  Flag   `json:"email_verified"`
	IsPrivateEmail Flag   `json:"is_private_email"`
	Nonce          string `json:"nonce"`
}

// Apple accepts ID tokens for a client ID: the bundle ID of an app, or a services ID of a website.
func Apple(client *http.Client, clientIDs ...string) (*usher.Decoder[AppleClaims], error) {
	const issuer = "https://appleid.apple.com"
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[AppleClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: clientIDs, CacheSize: 10_000,
	})
}

// GitHubClaims are the claims of the token of a job in GitHub Actions.
type GitHubClaims struct {
	usher.Claims
	Repository  string `json:"repository"`
	Owner       string `json:"repository_owner_id"` // names can be reused, IDs can't
	Ref         string `json:"ref"`
	Workflow    string `json:"job_workflow_ref"`
	Environment string `json:"environment"`
}

// GitHub accepts tokens that jobs requested for this audience. Any repository on GitHub can get one, so use GitHubUser as
// the middleware's user function.
func GitHub(client *http.Client, audience string) (*usher.Decoder[GitHubClaims], error) {
	const issuer = "https://token.actions.githubusercontent.com"
	keys, err := jwks.NewIssuer(issuer, &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[GitHubClaims](keys, &usher.DecoderOptions{Issuer: issuer, Audience: usher.Audience{audience}})
}

// GitHubUser accepts only jobs of one branch or tag of one repository.
func GitHubUser(ownerID, repository, ref string) func(context.Context, *GitHubClaims) (*GitHubClaims, error) {
	return func(_ context.Context, c *GitHubClaims) (*GitHubClaims, error) {
		if c.Owner != ownerID || c.Repository != repository || c.Ref != ref {
			return nil, usher.ErrForbidden
		}
		return c, nil
	}
}

// KubernetesClaims are the claims of the token of a service account.
type KubernetesClaims struct {
	usher.Claims // the subject is system:serviceaccount:NAMESPACE:NAME
	Kubernetes   struct {
		Namespace      string `json:"namespace"`
		ServiceAccount struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

// Kubernetes accepts tokens of the cluster's service accounts that were projected for this audience. The client must trust
// the cluster's CA and send the pod's own token.
func Kubernetes(client *http.Client, issuer, audience string) (*usher.Decoder[KubernetesClaims], error) {
	keys, err := jwks.NewRemote("https://kubernetes.default.svc/openid/v1/jwks", &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[KubernetesClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{audience}, CacheSize: 1_000,
	})
}

// SupabaseClaims are the claims of a user's access token.
type SupabaseClaims struct {
	usher.Claims
	Role      string `json:"role"`
	Email     string `json:"email"`
	Session   string `json:"session_id"`
	Assurance string `json:"aal"` // aal2: with a second factor
	Anonymous bool   `json:"is_anonymous"`
}

// Supabase accepts access tokens of a project's users. The project uses signing keys, not the legacy secret.
func Supabase(client *http.Client, project string) (*usher.Decoder[SupabaseClaims], error) {
	issuer := "https://" + project + ".supabase.co/auth/v1"
	keys, err := jwks.NewRemote(issuer+"/.well-known/jwks.json", &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[SupabaseClaims](keys, &usher.DecoderOptions{
		Issuer: issuer, Audience: usher.Audience{"authenticated"}, CacheSize: 10_000,
	})
}

// ClerkClaims are the claims of a session token.
type ClerkClaims struct {
	usher.Claims
	Origin       string `json:"azp"` // of the page that requested the token
	Organization struct {
		ID   string `json:"id"`
		Role string `json:"rol"`
	} `json:"o"`
}

// Clerk accepts session tokens of an instance, such as "https://clerk.example.com". They have no aud, so use ClerkUser as
// the middleware's user function.
func Clerk(client *http.Client, issuer string) (*usher.Decoder[ClerkClaims], error) {
	keys, err := jwks.NewRemote(issuer+"/.well-known/jwks.json", &jwks.RemoteOptions{Client: client})
	if err != nil {
		return nil, err
	}
	return usher.NewDecoder[ClerkClaims](keys, &usher.DecoderOptions{Issuer: issuer, CacheSize: 10_000})
}

// ClerkUser refuses tokens that were requested by another origin.
func ClerkUser(origins ...string) func(context.Context, *ClerkClaims) (*ClerkClaims, error) {
	return func(_ context.Context, c *ClerkClaims) (*ClerkClaims, error) {
		if !slices.Contains(origins, c.Origin) {
			return nil, usher.ErrTokenAudience
		}
		return c, nil
	}
}
