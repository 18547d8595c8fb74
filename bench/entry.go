package main

import (
	"net/http"
	"slices"
)

// The rows that targets and tables have to know.
const (
	nameUsher        = "usher"
	nameUsherWarm    = "usher, token remembered"
	nameUsherValid   = "usher, on the valid tokens"
	nameUsherFilling = "usher, filling in five claims"
	nameGolangJWT    = "golang-jwt by hand"
	nameJWTAuth      = "go-chi/jwtauth"
	usherModule      = "github.com/go-usher/usher"
)

// entry is what one library brings along.
type entry struct {
	contenders []*contender
	limits     []limit
}

// limit is a handler without a guard that stands beside the contenders.
type limit struct {
	name    string // as the tables show it
	handler func(setup, greeter) http.Handler
}

// entries are the libraries that this program is linked with, by the build tag of their file: all of them, or, in a
// program that is alone (see program.go), one.
var entries = map[string]entry{}

// enter is called by each library's file, for a variable that nobody needs: before main, and where the file is linked.
func enter(tag string, e entry) bool { //nolint:unparam // a variable needs a value
	entries[tag] = e
	return true
}

// programs are the build tags, in the order of the tables.
var programs = [...]string{"usher", "golangjwt", "echojwt", "ginjwt", "jwtauth", "auth0", "jwx", "gojose", "kataras"}

// entrants are all that verify or encode.
func entrants() []*contender {
	var list []*contender
	for _, tag := range programs {
		list = append(list, entries[tag].contenders...)
	}
	return list
}

// contenders are those that have a middleware: usher, cold and warm, and its peers.
func contenders() []*contender {
	return slices.DeleteFunc(entrants(), func(c *contender) bool { return c.middleware == nil })
}

// peers are the other libraries.
func peers() []*contender {
	return slices.DeleteFunc(contenders(), func(c *contender) bool { return c.module == usherModule })
}

// limits are the handlers beside them.
func limits() []limit {
	var list []limit
	for _, tag := range programs {
		list = append(list, entries[tag].limits...)
	}
	return list
}

// programOf returns which program measures a row of the tables. What needs no library is usher's.
func programOf(name string) string {
	for tag, e := range entries {
		if slices.ContainsFunc(e.contenders, func(c *contender) bool { return c.name == name }) ||
			slices.ContainsFunc(e.limits, func(l limit) bool { return l.name == name }) {
			return tag
		}
	}
	return "usher"
}
