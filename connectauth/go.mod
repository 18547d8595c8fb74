module github.com/go-usher/usher/connectauth

go 1.26.0

replace github.com/go-usher/usher => ..
