module github.com/go-usher/usher/examples/recipes/observability

go 1.26.0

replace github.com/go-usher/usher => ../../..
