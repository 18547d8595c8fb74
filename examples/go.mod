module github.com/go-usher/usher/examples

go 1.26.0

require github.com/go-usher/usher v0.0.0

replace github.com/go-usher/usher => ..
