module github.com/go-usher/usher/examples/recipes/apis

go 1.26.0

replace github.com/go-usher/usher => ../../..
