module github.com/go-usher/usher/examples/recipes/edge

go 1.26.0

replace github.com/go-usher/usher => ../../..

require (
	github.com/aws/aws-lambda-go v1.55.1
	github.com/coder/websocket v1.8.15
	github.com/go-usher/usher v0.0.0
	github.com/gorilla/websocket v1.5.3
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/stretchr/testify v1.12.1 // indirect
	golang.org/x/crypto v0.59.0 // indirect
)
