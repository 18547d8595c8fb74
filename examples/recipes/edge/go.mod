module github.com/go-usher/usher/examples/recipes/edge

go 1.26.0

replace github.com/go-usher/usher => ../../..
