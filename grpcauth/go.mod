module github.com/go-usher/usher/grpcauth

go 1.26.0

replace github.com/go-usher/usher => ..
