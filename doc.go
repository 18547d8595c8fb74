// Package usher checks who is at the door of an HTTP service.
package usher
