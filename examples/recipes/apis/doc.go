// Package apis has recipes for frameworks that make an API from a description, each in a package of its own: the file
// auth.go is what a service copies, and service.go is a small service that uses it.
package apis
