package usher_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/go-usher/usher"
)

// kmsSigner is a crypto.Signer for a key in a key management service. Sign sends a digest to the service and returns the
// signature in ASN.1.
type kmsSigner struct {
	public crypto.PublicKey
	sign   func(ctx context.Context, digest []byte) ([]byte, error)
}

func (s kmsSigner) Public() crypto.PublicKey { return s.public }

func (s kmsSigner) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return s.sign(ctx, digest)
}

// The private key stays in the key management service. In this example a local key takes the place of the service.
func ExampleNewSignerKey() {
	service := usher.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	signer := kmsSigner{public: service.Public(), sign: func(_ context.Context, digest []byte) ([]byte, error) {
		return service.Sign(rand.Reader, digest, crypto.SHA256)
	}}
	key, err := usher.NewSignerKey(usher.ES256, signer)
	if err != nil {
		fmt.Println(err)
		return
	}
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
	decoder := usher.Must(usher.NewDecoder[usher.Claims](key, nil))
	token := usher.Must(encoder.Encode(context.Background(), usher.Claims{Subject: "42"}))
	claims, err := decoder.Decode(context.Background(), token)
	fmt.Println(claims.Subject, err)
	// Output: 42 <nil>
}

// The clients of three clouds return signatures in different formats. These types imitate the formats and the requests.

// awsClient is like kms.Client of github.com/aws/aws-sdk-go-v2/service/kms.
type awsClient struct{ key *ecdsa.PrivateKey }

type awsSignInput struct {
	KeyID                         *string
	Message                       []byte
	MessageType, SigningAlgorithm string
}

type awsSignOutput struct{ Signature []byte } // ASN.1

func (c awsClient) Sign(ctx context.Context, in *awsSignInput) (*awsSignOutput, error) {
	if in.MessageType != "DIGEST" || in.SigningAlgorithm != "ECDSA_SHA_256" {
		return nil, errors.New("ValidationException")
	}
	signature, err := c.key.Sign(rand.Reader, in.Message, crypto.SHA256)
	return &awsSignOutput{signature}, errors.Join(err, ctx.Err())
}

// googleClient is like KeyManagementClient of cloud.google.com/go/kms/apiv1.
type googleClient struct{ key *ecdsa.PrivateKey }

type googleSignRequest struct {
	Name   string
	SHA256 []byte
}

type googleSignResponse struct{ Signature []byte } // ASN.1

func (c googleClient) AsymmetricSign(ctx context.Context, in *googleSignRequest) (*googleSignResponse, error) {
	signature, err := c.key.Sign(rand.Reader, in.SHA256, crypto.SHA256)
	return &googleSignResponse{signature}, errors.Join(err, ctx.Err())
}

// azureClient is like azkeys.Client of github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys.
type azureClient struct{ key *ecdsa.PrivateKey }

type azureSignResponse struct{ Result []byte } // R and S, 32 bytes each

func (c azureClient) Sign(ctx context.Context, _, _, algorithm string, digest []byte) (azureSignResponse, error) {
	if algorithm != "ES256" {
		return azureSignResponse{}, errors.New("BadParameter")
	}
	r, s, err := ecdsa.Sign(rand.Reader, c.key, digest)
	result := make([]byte, 64)
	r.FillBytes(result[:32])
	s.FillBytes(result[32:])
	return azureSignResponse{result}, errors.Join(err, ctx.Err())
}

// crypto11Key is like the keys of github.com/ThalesGroup/crypto11: it is a crypto.Signer and returns ASN.1.
type crypto11Key struct{ *ecdsa.PrivateKey }

func TestSignersOfCloudsAndModulesFit(t *testing.T) {
	key := p256Key()
	id := "the key's name"
	aws, google, azure := awsClient{key}, googleClient{key}, azureClient{key}
	for name, signer := range map[string]crypto.Signer{
		"AWS KMS": kmsSigner{key.Public(), func(ctx context.Context, digest []byte) ([]byte, error) {
			out, err := aws.Sign(ctx, &awsSignInput{KeyID: &id, Message: digest, MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_256"})
			if err != nil {
				return nil, err
			}
			return out.Signature, nil
		}},
		"Google Cloud KMS": kmsSigner{key.Public(), func(ctx context.Context, digest []byte) ([]byte, error) {
			out, err := google.AsymmetricSign(ctx, &googleSignRequest{Name: id, SHA256: digest})
			if err != nil {
				return nil, err
			}
			return out.Signature, nil
		}},
		"Azure Key Vault": kmsSigner{key.Public(), func(ctx context.Context, digest []byte) ([]byte, error) {
			out, err := azure.Sign(ctx, id, "", "ES256", digest)
			if err != nil {
				return nil, err
			}
			half := len(out.Result) / 2
			return asn1.Marshal(struct{ R, S *big.Int }{
				new(big.Int).SetBytes(out.Result[:half]), new(big.Int).SetBytes(out.Result[half:]),
			})
		}},
		"crypto11": crypto11Key{key},
	} {
		t.Run(name, func(t *testing.T) {
			signs, err := usher.NewSignerKey(usher.ES256, signer)
			if err != nil {
				t.Fatal(err)
			}
			token := usher.Must(newEncoder[usher.Claims](t, signs, usher.EncoderOptions{}).Encode(t.Context(), usher.Claims{Subject: "42"}))
			checkDecode(t, newDecoder[usher.Claims](t, testKey(t, usher.ES256), usher.DecoderOptions{}), token, nil)
		})
	}
}
